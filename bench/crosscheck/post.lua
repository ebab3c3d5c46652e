-- For wrk: post the bodies that the manifest names, in turn, and tell the figures as one line of JSON.
-- Arguments: the manifest, lines of "PATH HEADER_LENGTH FILE".
local requests, turn = {}, 0

function init(arguments)
  for line in io.lines(arguments[1]) do
    local path, length, file = line:match("^(%S+) (%d+) (.+)$")
    local body = io.open(file, "rb"):read("*a")
    local headers = { ["Content-Type"] = "application/octet-stream", ["Inference-Header-Content-Length"] = length }
    requests[#requests + 1] = wrk.format("POST", path, headers, body)
  end
end

function request()
  turn = turn % #requests + 1
  return requests[turn]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    'crosscheck {"requests": %d, "failures": %d, "duration_us": %d, "p50_us": %f, "p90_us": %f, "p99_us": %f}\n',
    summary.requests, errors.connect + errors.read + errors.write + errors.status + errors.timeout,
    summary.duration, latency:percentile(50), latency:percentile(90), latency:percentile(99)))
end
