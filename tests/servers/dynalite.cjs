// A folder -> a DynamoDB on the loopback interface; writes its port to stdout, ends with whoever started it.
const dynalite = require("dynalite")

const server = dynalite({ path: process.argv[2], createTableMs: 0, deleteTableMs: 0, updateTableMs: 0 })
server.listen(0, "127.0.0.1", () => console.log(server.address().port))
process.stdin.on("end", () => process.exit(0)).resume()
