"""What runs inside the user's interpreter: the standard library, boto3 where there is one, nothing of statelift.

The launcher gives this package another name in that process, so only relative imports work here.
"""
