-- How well a SvomMessaging is, for Argo CD.
--
-- Degraded is only what a person must mend. What is not known yet, or comes right by itself (a server
-- that is back in a minute), is Progressing.
local health = { status = "Progressing", message = "waiting for the operator to look at it" }

local status = obj.status
if status == nil or status.conditions == nil or status.observedGeneration ~= obj.metadata.generation then
  return health
end

local conditions = {}
for _, condition in ipairs(status.conditions) do
  conditions[condition.type] = condition
end

local function is_true(condition)
  return condition ~= nil and condition.status == "True"
end

local ready = conditions.Ready
if ready ~= nil then
  health.message = ready.message
end

if is_true(conditions.Stalled) then
  health.status = "Degraded"
  health.message = conditions.Stalled.message
elseif is_true(conditions.Paused) then
  health.status = "Suspended"
elseif is_true(ready) then
  health.status = "Healthy"
end

return health
