"""The scripts that Redis runs for shared limits. Numbers are whole and below 2^53.

A rate is kept as the time at which it will have run off (`tat`, microseconds of the server's
clock), as what was given back since it began (`back`), and as when it began (`since`): who gives
back units of a rate that has begun anew, or under another amount, gives back nothing.
"""

LEND = """
local WHOLE, CENTURY, DAYS = 9007199254740991, 4503599627370496, 3 * 86400 * 1000
local said = cjson.decode(ARGV[3])
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
local now_ms = math.floor(now / 1000)

local function text(n) return string.format('%.0f', n) end

redis.call('ZADD', KEYS[1], text(now + tonumber(ARGV[2])), ARGV[1])
redis.call('PEXPIRE', KEYS[1], DAYS)

local function meter(place)
  local m = said.meters[place + 1]
  return {row = KEYS[place + 2], kind = m[2], most = m[3], amount = m[4], period = m[5],
          full = m[6], till = m[7]}
end

local function level(m) return math.max(0, m.tat - now) end

local function load(m)
  if m.kind == 'sum' then
    m.used = tonumber(redis.call('GET', m.row) or '0')
  elseif m.kind == 'held' then
    m.used = 0
    local all = redis.call('HGETALL', m.row)
    for i = 1, #all, 2 do
      local there = redis.call('ZSCORE', KEYS[1], all[i])
      if there and tonumber(there) > now then
        m.used = m.used + tonumber(all[i + 1])
      else
        redis.call('HDEL', m.row, all[i])
      end
    end
  else
    local r = redis.call('HMGET', m.row, 'tat', 'back', 'since', 'amount', 'period')
    m.tat, m.back, m.since = tonumber(r[1] or '0'), tonumber(r[2] or '0'), tonumber(r[3] or '0')
    if not r[1] then
      m.since = now
    elseif tonumber(r[4]) ~= m.amount or tonumber(r[5]) ~= m.period then
      local units = level(m) * tonumber(r[4]) / tonumber(r[5])
      m.tat = now + math.min(CENTURY, math.ceil(units * m.period / m.amount))
      m.back, m.since = 0, math.max(now, m.since + 1)
    end
  end
  return m
end

local function keep(m)
  if m.kind == 'sum' then
    redis.call('SET', m.row, text(m.used))
    if m.till > 0 then
      local till = math.max(math.floor(m.till / 1000), now_ms + DAYS)
      redis.call('PEXPIREAT', m.row, text(till))
    end
  elseif m.kind == 'rate' then
    redis.call('HSET', m.row, 'tat', text(m.tat), 'back', text(m.back), 'since', text(m.since),
               'amount', text(m.amount), 'period', text(m.period))
    redis.call('PEXPIREAT', m.row, text(math.ceil(math.max(m.tat, now) / 1000) + 60000))
  end
end

local function cost(m, units) return math.ceil(units * m.period / m.amount) end

local function hold(m, units)
  if units > 0 then
    redis.call('HSET', m.row, ARGV[1], text(units))
    redis.call('PEXPIRE', m.row, 600000)
  else
    redis.call('HDEL', m.row, ARGV[1])
  end
end

local function take(m, units)
  if m.kind == 'held' then
    hold(m, tonumber(redis.call('HGET', m.row, ARGV[1]) or '0') + units)
  elseif m.kind == 'sum' then
    m.used = math.min(WHOLE, m.used + units)
    keep(m)
  else
    m.tat = now + math.min(CENTURY, level(m) + cost(m, units))
    keep(m)
  end
end

local function back(m, units, top, since)
  if m.kind == 'held' then
    hold(m, units)
    return
  end
  load(m)
  if units < 0 then
    take(m, -units)
  elseif m.kind == 'sum' then
    if redis.call('EXISTS', m.row) == 1 then
      redis.call('SET', m.row, text(math.max(0, m.used - units)), 'KEEPTTL')
    end
  elseif since == m.since then
    local most = math.floor(units * m.period / m.amount)
    local less = math.max(0, math.min(most, top - m.back - now, level(m)))
    m.tat, m.back = m.tat - less, m.back + less
    keep(m)
  end
end

local function left(m)
  if m.kind == 'rate' then
    return math.min(m.most, math.floor(math.max(0, m.full - level(m)) * m.amount / m.period))
  end
  return math.max(0, m.most - m.used)
end

local function wait(m, least)
  if least == 0 or left(m) >= least then return 0 end
  if m.kind ~= 'rate' or least > m.most then return -1 end
  return math.max(1, level(m) + cost(m, least) - m.full)
end

for _, b in ipairs(said.back) do back(meter(b[1]), b[2], b[3], b[4]) end

local answer = {}
for g, group in ipairs(said.groups) do
  local found, fits = {}, true
  for i, a in ipairs(group) do
    local m = load(meter(a[1]))
    m.wait = wait(m, a[2])
    fits = fits and m.wait == 0
    found[i] = m
  end
  local lent = {}
  for i, a in ipairs(group) do
    local m, units, rest = found[i], 0, left(found[i])
    if fits then
      units = math.max(a[2], math.min(a[3], rest), math.min(a[4], math.floor(rest / 2)))
      if units > 0 then take(m, units) end
      rest = math.max(0, rest - units)
    end
    local rate = m.kind == 'rate'
    lent[i] = {text(units), text(rest), text(m.wait), text(rate and m.tat + m.back or 0),
               text(rate and m.since or 0)}
  end
  answer[g] = lent
end
return answer
"""
"""Keys: the holders, and the row of each meter. Arguments: the holder, how long it is present, and
what `meter_words.written` says."""

PRESENT = """
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
redis.call('ZADD', KEYS[1], string.format('%.0f', now + tonumber(ARGV[2])), ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))
redis.call('PEXPIRE', KEYS[1], 3 * 86400 * 1000)
return redis.call('ZCARD', KEYS[1])
"""

LEAVE = "return redis.call('ZREM', KEYS[1], ARGV[1])"
