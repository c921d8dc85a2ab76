-- Replays requests from a file, each once, over connections that are kept; ends when there are no more, or with
-- the time. The file has records of a line with a length, and as many bytes. One thread only: wrk -t1.

local requests = {}
local sent = 0

function init(args)
  local file = assert(io.open(args[1], "rb"))
  local again = args[2] == "again"
  while true do
    local length = file:read("*n")
    if not length then break end
    file:read(1)
    requests[#requests + 1] = file:read(length)
  end
  file:close()
  if again then
    request = function() return requests[1] end
  end
end

function request()
  sent = sent + 1
  if sent > #requests then
    -- The thread stops; the main one would sleep on, and is woken as by Ctrl-C, which os.execute itself would hold
    -- back. What is under way is not counted.
    wrk.thread:stop()
    os.execute("(sleep 0.01; kill -INT $PPID) &")
  end
  return requests[math.min(sent, #requests)]
end

function done(summary, latency)
  local errors = summary.errors
  io.stderr:write(string.format(
    '{"requests": %d, "seconds": %.6f, "bytes": %d, "p50_ms": %.3f, "p99_ms": %.3f, "failed": %d}\n',
    summary.requests, summary.duration / 1e6, summary.bytes,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.status + errors.connect + errors.read + errors.write + errors.timeout))
end
