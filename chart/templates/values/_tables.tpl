{{/*
What the gateway refuses of its route table and its networks, so that its pods would crash.
*/}}

{{/*
Takes a map, and gives it regular expressions: addresses, and of a path a segment, without (path) or with (rewrite) parameters and
encoded delimiters.
*/}}
{{- define "practice.setGrammar" -}}
{{- $hex := "[0-9a-fA-F]" -}}
{{- $byte := "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])" -}}
{{- $ipv4 := printf "%s([.]%s){3}" $byte $byte -}}
{{- $group := print $hex "{1,4}" -}}
{{- $forms := list (printf "(%s:){7}%s" $group $group) (printf "(%s:){6}%s" $group $ipv4) -}}
{{- /* Those with ::, which stands for one group at least, by the groups before it. */ -}}
{{- range $before := until 8 -}}
{{- $behind := list ":" -}}
{{- if lt $before 7 }}{{ $behind = append $behind (printf "(:%s){1,%d}" $group (sub 7 $before)) }}{{ end -}}
{{- if lt $before 6 }}{{ $behind = append $behind (printf "(:%s){0,%d}:%s" $group (sub 5 $before) $ipv4) }}{{ end -}}
{{- $forms = append $forms (printf "%s(%s)" (ternary (printf "(%s:){%d}" $group $before) ":" (gt $before 0)) (join "|" $behind)) -}}
{{- end -}}
{{- /* What may stand in a segment but dots; encoded what is ASCII and no delimiter; and UTF-8 (RFC 3629, section 4). */ -}}
{{- $plain := "[!\"$&-+,0-:<=>@-Z^_`a-z|~\\[\\]-]|%(2[025dD]|3[0-9cCeE]|4[1-9a-fA-F]|5[0-9abdefABDEF]|6[0-9a-fA-F]|7[0-9a-eA-E])" -}}
{{- $next := printf "%%[89abAB]%s" $hex -}}
{{- $utf8 := "(%([cC][2-9a-fA-F]|[dD]H|[eE]0%[abAB]H|[eE][dD]%[89]H|[eE][1-9a-cefA-CEF]N|[fF]0%[9abAB]HN|[fF]4%8HN|[fF][1-3]NN)N)" | replace "N" $next | replace "H" $hex -}}
{{- $path := print $plain "|" $utf8 -}}
{{- $rewrite := print $path "|%(2[146-9a-cA-C]|3[aAdD]|40)" -}}
{{- $segment := "((S)|[.](S)|[.][.](S|[.]))(S|[.])*" -}}
{{- $_ := set . "ipv4" $ipv4 -}}
{{- $_ := set . "ipv6" (printf "(%s)" (join "|" $forms)) -}}
{{- $_ := set . "path" ($segment | replace "S" $path) -}}
{{- $_ := set . "rewrite" (print $segment "(;(S|[.;])*)?" | replace "S" $rewrite) -}}
{{- end -}}

{{/* Takes the top-level scope. What a text shows of itself alone is in the schema; chart/tests/settings.py tries both beside the gateway. */}}
{{- define "practice.brokenTables" -}}
{{- $grammar := dict -}}
{{- include "practice.setGrammar" $grammar -}}
{{- $network := printf "^(%s(/(3[0-2]|[12]?[0-9]))?|%s(/(12[0-8]|1[01][0-9]|[1-9]?[0-9]))?)$" $grammar.ipv4 $grammar.ipv6 -}}
{{- $host := printf "^(\\[%s\\]|[0-9A-Za-z_-]+([.][0-9A-Za-z_-]+)*[.]?)$" $grammar.ipv6 -}}
{{- range $name, $service := .services -}}
{{- range .trustedProxies -}}
{{- if not (regexMatch $network .) }}
services.{{ $name }}.trustedProxies: {{ . | quote }} is no network. Give one such as 10.244.0.0/16 or fd00::/8.
{{- end -}}
{{- end -}}
{{- range $knob, $upstream := .upstreams -}}
{{- $address := regexFind "\\[.*\\]" (.url | default "") -}}
{{- if and $address (not (regexMatch $host $address)) }}
services.{{ $name }}.{{ $knob }}.url: {{ $address }} is no address. Give one such as [::1].
{{- end -}}
{{- end -}}
{{- $others := list -}}
{{- range $route := .routeTable.routes -}}
{{- $knob := printf "services.%s.routeTable.routes" $name -}}
{{- range .hosts -}}
{{- if not (regexMatch $host .) }}
{{ $knob }}: {{ $route.path }}: the host {{ . | quote }} is no name. Give one without a port, such as shop.example.
{{- end -}}
{{- end -}}
{{- range $key := list "path" "rewrite" -}}
{{- $path := index $route $key | default "/" -}}
{{- if not (regexMatch (index $grammar $key | printf "^/(%[1]s(/%[1]s)*/?)?$") $path) }}
{{ $knob }}: the {{ $key }} {{ $path | quote }} is one that is not forwarded, or that some read as another. Give one such as /shop, without dot segments, empty ones and encoded delimiters.
{{- end -}}
{{- end -}}
{{- range $part, $_ := .aggregate -}}
{{- if not (regexMatch ($grammar.rewrite | printf "^/(%[1]s(/%[1]s)*/?)?$") (.rewrite | default "/")) }}
{{ $knob }}: {{ $route.path }}: the rewrite {{ .rewrite | quote }} of {{ $part }} is one that is not forwarded. Give one such as /shop, without dot segments, empty ones and encoded delimiters.
{{- end -}}
{{- end -}}
{{- if and .aggregate (or .upstream .split .pins .rewrite .upgrades) }}
{{ $knob }}: {{ .path }}: aggregate stands beside upstream, split, pins, rewrite or upgrades. Leave those out: its parts have their own.
{{- end -}}
{{- if and .aggregate (without (.methods | default list) "GET") }}
{{ $knob }}: {{ .path }}: aggregate takes GET. Leave methods out.
{{- end -}}
{{- $limit := .rateLimit | default dict -}}
{{- if and $limit.byClient (not .auth) }}
{{ $knob }}: {{ .path }}: nobody says who the client of rateLimit.byClient is. Add auth, or use byHeader.
{{- end -}}
{{- if and $limit.byClient $limit.byHeader }}
{{ $knob }}: {{ .path }}: rateLimit has byHeader and byClient. Leave one.
{{- end -}}
{{- if and $limit.global (not $service.stores) }}
{{ $knob }}: {{ .path }}: rateLimit.global is counted in a store. Name one of type redis in services.{{ $name }}.stores, or leave global out.
{{- end -}}
{{- if and .upstream .split }}
{{ $knob }}: {{ .path }} has upstream and split. Leave one.
{{- end -}}
{{- $weight := 0 -}}
{{- range .split }}{{ $weight = addf $weight .weight }}{{ end -}}
{{- if and .split (not $weight) }}
{{ $knob }}: {{ .path }}: all weights of split are 0. Set one above.
{{- end -}}
{{- range $key := list "requestHeaders" "responseHeaders" -}}
{{- $names := index $route $key | default dict | keys | join " " | lower | splitList " " -}}
{{- if ne (len $names) (len (uniq $names)) }}
{{ $knob }}: {{ $route.path }}: {{ $key }} has a name twice, and letter case does not count. Leave one.
{{- end -}}
{{- end -}}
{{- $dates := dict -}}
{{- range $header, $value := .responseHeaders }}{{ $_ := set $dates (lower $header) $value }}{{ end -}}
{{- with $dates.sunset -}}
{{- $date := toDate "Mon, 02 Jan 2006 15:04:05 GMT" . -}}
{{- if ne . (dateInZone "Mon, 02 Jan 2006 15:04:05 GMT" $date "UTC") }}
{{ $knob }}: {{ $route.path }}: sunset {{ . | quote }} is no date. Give one such as Fri, 01 Jan 2027 00:00:00 GMT.
{{- else if lt (unixEpoch $date | int64) (trimPrefix "@" ($dates.deprecation | default "@0") | int64) }}
{{ $knob }}: {{ $route.path }}: sunset is before deprecation. Make it the same time or later.
{{- end -}}
{{- end -}}
{{- range concat (list (dict "upstream" .upstream)) (.split | default list) (.pins | default list) (.aggregate | default dict | values) -}}
{{- with index $service.upstreams (print "routeTable.upstreams." .upstream) -}}
{{- $try := $route.tryTimeoutSeconds | default .tryTimeoutSeconds | float64 -}}
{{- $all := $route.timeoutSeconds | default .timeoutSeconds | float64 -}}
{{- if and (or $route.tryTimeoutSeconds $route.timeoutSeconds) (gt $try $all) }}
{{ $knob }}: {{ $route.path }}: one try may take {{ $try }} s (tryTimeoutSeconds), all together {{ $all }} s (timeoutSeconds). Lower the one or raise the other.
{{- end -}}
{{- end -}}
{{- end -}}
{{- $cors := .cors | default dict -}}
{{- if and (has "*" ($cors.origins | default list)) (or $cors.credentials (gt (len $cors.origins) 1)) }}
{{ $knob }}: {{ .path }}: cors.origins has * beside others, or beside credentials, which browsers refuse. Name the origins.
{{- end -}}
{{- $exact := .exact | default false -}}
{{- $hosts := regexReplaceAll "[.]( |$)" (.hosts | default (list "*") | join " " | lower) "${1}" | splitList " " | uniq -}}
{{- $methods := ternary (list "GET") (.methods | default (list "*") | uniq) (not (empty .aggregate)) -}}
{{- $path := ternary .path (trimSuffix "/" .path) $exact -}}
{{- range $others -}}
{{- $hostsOfBoth := concat $hosts .hosts | uniq | len -}}
{{- $methodsOfBoth := concat $methods .methods | uniq | len -}}
{{- if and (eq .path $path) (eq .exact $exact) (lt $hostsOfBoth (add (len $hosts) (len .hosts) | int)) (lt $methodsOfBoth (add (len $methods) (len .methods) | int)) }}
{{ $knob }}: {{ $route.path }}: two routes take the same requests, and neither is more specific. Leave one, or tell them apart by hosts, methods or exact.
{{- end -}}
{{- end -}}
{{- $others = append $others (dict "path" $path "exact" $exact "hosts" $hosts "methods" $methods) -}}
{{- end -}}
{{- end -}}
{{- end -}}
