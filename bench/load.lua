-- What wrk sends: the requests of a file, each as "LENGTH\n" and its bytes, in turn, each thread from a place of its own.
-- At the end one line of JSON that `cargo xtask bench` reads.

local threads = 0

function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
end

local requests = {}
local at = 0

function init(arguments)
  local file = assert(io.open(arguments[1], "rb"))
  local of = tonumber(arguments[2])
  while true do
    local length = file:read("*n")
    if not length then break end
    file:read(1)
    requests[#requests + 1] = file:read(length)
  end
  file:close()
  at = math.floor(number * #requests / of)
end

function request()
  at = at % #requests + 1
  return requests[at]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"requests":%d,"duration_us":%d,"p50_us":%d,"p99_us":%d,"refused":%d,"connect":%d,"read":%d,"write":%d,"timeout":%d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.status, errors.connect, errors.read, errors.write, errors.timeout))
end
