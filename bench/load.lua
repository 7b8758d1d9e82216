-- What wrk sends: the requests of a file, each as "LENGTH\n" and its bytes, in turn, each thread from a place of its own.
-- A third argument is a text that no answer may hold, whatever its status: GraphQL tells of errors that way.
-- At the end one line of JSON that `cargo xtask bench` reads.

local threads = {}

function setup(thread)
  thread:set("number", #threads)
  threads[#threads + 1] = thread
end

local requests = {}
local at = 0
mistaken = 0

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
  local mistake = arguments[3]
  if mistake then
    response = function(_, _, body)
      if body:find(mistake, 1, true) then mistaken = mistaken + 1 end
    end
  end
end

function request()
  at = at % #requests + 1
  return requests[at]
end

function done(summary, latency)
  local errors = summary.errors
  local mistakes = 0
  for _, thread in ipairs(threads) do mistakes = mistakes + thread:get("mistaken") end
  io.write(string.format(
    'RESULT {"requests":%d,"duration_us":%d,"p50_us":%d,"p99_us":%d,"refused":%d,"mistaken":%d,"connect":%d,"read":%d,"write":%d,"timeout":%d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.status, mistakes, errors.connect, errors.read, errors.write, errors.timeout))
end
