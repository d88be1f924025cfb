{{/*
From .Values.defaults and .Values.services to the services that the templates range over.
*/}}

{{/*
Takes the top-level scope, and gives it accounts, the services of each service account that it makes, by its name, and services: by
name, each a map of all its knobs, and besides of

  root       the top-level scope
  name       its name
  answers    whether it answers requests. A worker does not: it asks a store for its work
  upstreams  where it sends requests, by the knob that says so. Nowhere unless it is a gateway
  knobs      by variable of its binary's environment, the knob whose value it has
  settings   its binary's environment, texts by variable, less the pod's own data (downward API)

Every template gets them here and nowhere else, so that none is rendered from values that a guard refuses. That scope is one for all
files of a chart in a render: who comes first does the work, and nothing is printed and parsed again, which makes floats of numbers.
*/}}
{{- define "practice.resolve" -}}
{{- if not (hasKey . "services") -}}
{{- $_ := set . "services" dict -}}
{{- $_ := set . "accounts" dict -}}
{{- include "practice.fill" (dict "into" .Values "from" (fromJson (.Files.Get "defaults.json"))) -}}
{{- include "practice.setHosts" . -}}
{{- include "practice.resolveStores" . -}}
{{- $defaults := dict -}}
{{- include "practice.merge" (dict "into" $defaults "from" .Values.defaults) -}}
{{- range $name, $own := .Values.services -}}
{{- $service := deepCopy $defaults -}}
{{- include "practice.merge" (dict "into" $service "from" ($own | default dict)) -}}
{{- if and $service.enabled (not (kindIs "invalid" $own)) -}}
{{- $_ := set $service "root" $ -}}
{{- $_ := set $service "name" $name -}}
{{- $_ := set $service "answers" (not (and (eq $service.kind "systems") (eq $service.role "worker"))) -}}
{{- include "practice.setUpstreams" $service -}}
{{- include "practice.setStores" $service -}}
{{- include "practice.setKnobs" $service -}}
{{- $_ := set $.services $name $service -}}
{{- if $service.serviceAccount.create -}}
{{- $account := include "practice.serviceAccountName" $service -}}
{{- $_ := set $.accounts $account (append (index $.accounts $account | default list) $service) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- include "practice.guard" . -}}
{{- range .services }}{{ include "practice.setSettings" . }}{{ include "practice.setReplicas" . }}{{ end -}}
{{- end -}}
{{- end -}}

{{/*
Takes into (the values) and from (defaults.json), and gives each knob that is not there its default: one that --reuse-values brings
from a release of a chart that did not have it, or that somebody set to null. There, a list of one is a knob, and a map is a group.
*/}}
{{- define "practice.fill" -}}
{{- range $key, $known := .from -}}
{{- if kindIs "map" $known -}}
{{- if not (kindIs "map" (index $.into $key)) }}{{ $_ := set $.into $key dict }}{{ end -}}
{{- include "practice.fill" (dict "into" (index $.into $key) "from" $known) -}}
{{- else if kindIs "invalid" (index $.into $key) -}}
{{- $_ := set $.into $key (first $known) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
Merges the map `from` into the map `into`: maps key by key, everything else replaced, null removed. Sprig's merge and
mergeOverwrite are not used because they take an explicit 0 or false for a missing value.
*/}}
{{- define "practice.merge" -}}
{{- range $key, $value := .from -}}
{{- if kindIs "invalid" $value -}}
{{- $_ := unset $.into $key -}}
{{- else if kindIs "map" $value -}}
{{- if not (kindIs "map" (index $.into $key)) }}{{ $_ := set $.into $key dict }}{{ end -}}
{{- include "practice.merge" (dict "into" (index $.into $key) "from" $value) -}}
{{- else -}}
{{- $_ := set $.into $key $value -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
Takes the top-level scope. Fails where something is broken: what there is nothing to render without, always; the rules of zero-loss
operation unless .Values.guards is warn, which keeps them as warnings for NOTES. A guard prints a line for each broken rule: the knob,
the rule with its numbers, the mend.
*/}}
{{- define "practice.guard" -}}
{{- $broken := print (include "practice.brokenRoutes" .) (include "practice.brokenTables" .) (include "practice.brokenStores" .) (include "practice.brokenNames" .) (include "practice.brokenImages" .) (include "practice.takenPorts" .) (include "practice.fixedStores" .) (include "practice.brokenPods" .) -}}
{{- $rules := print (include "practice.brokenScaling" .) (include "practice.brokenTimes" .) (include "practice.brokenPorts" .) (include "practice.brokenSettings" .) (include "practice.brokenMemory" .) (include "practice.brokenResources" .) (include "practice.brokenSpelling" .) -}}
{{- if eq .Values.guards "warn" -}}
{{- $_ := set . "warnings" (trim $rules) -}}
{{- else -}}
{{- $broken = print $broken $rules -}}
{{- end -}}
{{- with trim $broken }}{{ include "practice.refuse" . }}{{ end -}}
{{- end -}}

{{/* Takes the top-level scope: names that --set makes services of, and that were meant to be those of others. */}}
{{- define "practice.brokenSpelling" -}}
{{- $near := dict -}}
{{- range $name, $service := .services -}}
{{- range include "practice.spellings" $name | splitList " " }}{{ $_ := set $near . (append (index $near . | default list) $name) }}{{ end -}}
{{- end -}}
{{- range $name, $service := .services -}}
{{- if not (or (index $.Values.services $name | default dict).kind (has $name (list "backend" "frontend"))) -}}
{{- $others := list -}}
{{- range include "practice.spellings" $name | splitList " " }}{{ $others = concat $others (index $near .) }}{{ end -}}
{{- range without (uniq $others) $name -}}
{{- /* Numbers and single letters tell names apart: api-1 and api-2, or a and b. */ -}}
{{- $apart := "[0-9]+|\\b[a-z]\\b" -}}
{{- if ne (regexReplaceAll $apart . "") (regexReplaceAll $apart $name "") }}
services.{{ $name }}: it differs from services.{{ . }} by a letter, and says no kind. Correct the name, or set services.{{ $name }}.kind where it is a service of its own.
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Takes a name: that, and what it is less any one letter. Two of which one is misspelt have one in common. */}}
{{- define "practice.spellings" -}}
{{- . -}}
{{- range $at, $_ := until (len .) }} {{ substr 0 $at $ }}{{ substr (add $at 1 | int) (len $) $ }}{{ end -}}
{{- end -}}

{{/* Takes the lines. */}}
{{- define "practice.refuse" -}}
{{- fail (printf "these values cannot work:\n\n- %s\n" (regexReplaceAll "\n+" . "\n- ")) -}}
{{- end -}}

{{/* Takes a number or a text: a template prints 1000000 as 1e+06. */}}
{{- define "practice.text" -}}
{{- kindIs "string" . | ternary . (toJson .) -}}
{{- end -}}
