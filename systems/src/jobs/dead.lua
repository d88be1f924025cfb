-- Lists dead letters, newest first: how many. Says id, kind, tries and error of each.
local found = {}
for _, id in ipairs(redis.call('ZREVRANGE', key('dead'), 0, tonumber(ARGV[1]) - 1)) do
  local fields = redis.call('HMGET', job(id), 'kind', 'tries', 'error')
  found[#found + 1] = {id, fields[1], fields[2], fields[3]}
end
return found
