{{/*
From .Values.storeDefaults and .Values.stores to the stores that the templates range over, and what services are told of them.
*/}}

{{/*
Takes the top-level scope, and gives it stores: by name, each a map of all its knobs, and besides of

  root      the top-level scope
  name      its name
  inside    whether the release makes it: it does not where there is a url
  secret    name of the Secret with its password. Empty: it asks for none
  variable  what the variables of those who use it begin with: <variable>_URL, _PASSWORD or _PASSWORD_FILE

`store` and `useStore` are how it was written before there were several: one Redis, with `enabled` and `name` among its knobs.
*/}}
{{- define "practice.resolveStores" -}}
{{- $types := dict
  "redis" (dict "tag" "7.0" "port" 6379 "variable" "STORE")
  "postgres" (dict "tag" "15" "port" 5432 "variable" "DATABASE") -}}
{{- $_ := set . "stores" dict -}}
{{- $asked := deepCopy .Values.stores -}}
{{- with .Values.store -}}
{{- if or .enabled .url }}{{ $_ := set $asked (include "practice.oldStore" $) (omit . "enabled" "name") }}{{ end -}}
{{- end -}}
{{- range $name, $own := $asked -}}
{{- if not (kindIs "invalid" $own) -}}
{{- $store := dict -}}
{{- include "practice.merge" (dict "into" $store "from" $.Values.storeDefaults) -}}
{{- include "practice.merge" (dict "into" $store "from" $own) -}}
{{- $type := index $types $store.type -}}
{{- if not $store.image.repository }}{{ $_ := set $store.image "repository" $store.type }}{{ end -}}
{{- if not $store.image.tag }}{{ $_ := set $store.image "tag" $type.tag }}{{ end -}}
{{- if not $store.port }}{{ $_ := set $store "port" $type.port }}{{ end -}}
{{- $_ := set $store "root" $ -}}
{{- $_ := set $store "name" $name -}}
{{- $_ := set $store "variable" $type.variable -}}
{{- $_ := set $store "inside" (not $store.url) -}}
{{- $_ := set $store "secret" $store.password.existingSecret -}}
{{- if and $store.inside (not $store.secret) }}{{ $_ := set $store "secret" (include "practice.name" $store) }}{{ end -}}
{{- $_ := set $.stores $name $store -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Takes the top-level scope: what the store is called that `store` makes. */}}
{{- define "practice.oldStore" -}}
{{- .Values.store.name | default "redis" -}}
{{- end -}}

{{/*
Takes a service, and gives it stores: the names of those that it uses. Only systems keep anything; a gateway counts in the one that is
named for itself.
*/}}
{{- define "practice.setStores" -}}
{{- $names := ternary (append .stores (include "practice.oldStore" .root)) .stores .useStore -}}
{{- if eq .kind "frontend" }}{{ $names = (index .root.Values.services .name | default dict).stores | default list }}{{ end -}}
{{- $_ := set . "stores" (ternary (uniq $names) list (has .kind (list "frontend" "systems"))) -}}
{{- end -}}

{{/* Takes a store. */}}
{{- define "practice.storeUrl" -}}
{{- $at := print (include "practice.serviceName" .) ":" (int .port) -}}
{{- if not .inside -}}
{{- .url -}}
{{- else if eq .type "postgres" -}}
postgres://{{ .postgres.user }}@{{ $at }}/{{ .postgres.database }}
{{- else -}}
redis://{{ $at }}/0
{{- end -}}
{{- end -}}

{{/* Takes a service, and adds to its settings, volumes and mounts where its stores are. A password in the environment is no setting. */}}
{{- define "practice.setStoreSettings" -}}
{{- range $name := .stores -}}
{{- with index $.root.stores $name -}}
{{- $_ := set $.settings (print .variable "_URL") (include "practice.storeUrl" .) -}}
{{- if and .secret (eq .password.passAs "file") -}}
{{- $folder := print "stores/" $name -}}
{{- $_ := set $.settings (print .variable "_PASSWORD_FILE") (print "/etc/practice/" $folder "/" .password.key) -}}
{{- $secret := dict "secretName" .secret "items" (list (dict "key" .password.key "path" .password.key)) -}}
{{- include "practice.mount" (dict "service" $ "at" $folder "volume" (dict "name" (print $name "-password") "secret" $secret)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Takes a service: the variables that its container gets from Secrets of stores. */}}
{{- define "practice.storePasswords" -}}
{{- range .stores -}}
{{- with index $.root.stores . -}}
{{- if and .secret (eq .password.passAs "env") }}
- name: {{ .variable }}_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ .secret | toYaml }}
      key: {{ .password.key }}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Takes the top-level scope: what of a store can't be changed any more, as far as the cluster can be asked. */}}
{{- define "practice.fixedStores" -}}
{{- range $name, $store := .stores -}}
{{- $object := include "practice.name" . -}}
{{- with ternary (lookup "apps/v1" "StatefulSet" $.Release.Namespace $object) dict .inside -}}
{{- $claims := dig "spec" "volumeClaimTemplates" list . -}}
{{- $claim := dict -}}
{{- range $claims }}{{ $claim = .spec }}{{ end -}}
{{- $size := dig "resources" "requests" "storage" "" $claim -}}
{{- $class := dig "storageClassName" "" $claim -}}
{{- $now := $store.persistence -}}
{{- $changed := dict -}}
{{- if ne (not (empty $claims)) (and $now.enabled (not $now.existingClaim)) -}}
{{- $_ := set $changed (ternary "persistence.existingClaim" "persistence.enabled" (and (ne $now.existingClaim "") $now.enabled)) (list (empty $claims | ternary "none" "one of its own") ($now.existingClaim | default (ternary "one of its own" "none" $now.enabled))) -}}
{{- else if and $claims (ne (include "practice.bytes" $size) (include "practice.bytes" $now.size)) -}}
{{- $_ := set $changed "persistence.size" (list $size $now.size) -}}
{{- else if and $claims (ne $class $now.storageClass) -}}
{{- $_ := set $changed "persistence.storageClass" (list ($class | default "the default") ($now.storageClass | default "the default")) -}}
{{- end -}}
{{- $service := include "practice.headlessName" $store -}}
{{- if ne .spec.serviceName $service }}
names.serviceSuffix: the StatefulSet of stores.{{ $name }} was made with the Service {{ .spec.serviceName }}, and {{ $service }} would be another. Set it back, or make way for a new one, whose pods and volumes are the same: kubectl delete statefulset {{ $object }} --cascade=orphan.
{{- end -}}
{{- range $knob, $values := $changed }}
stores.{{ $name }}.{{ $knob }}: it was {{ first $values }} when the StatefulSet was made, is {{ last $values }} now, and can't be changed. Set it back, or make way for a new one, whose pods and volumes are the same: kubectl delete statefulset {{ $object }} --cascade=orphan.
{{- end -}}
{{- end -}}
{{- with ternary (lookup "v1" "PersistentVolumeClaim" $.Release.Namespace (print $object "-backup")) dict (and .inside .backup.enabled) -}}
{{- $size := .spec.resources.requests.storage -}}
{{- $class := dig "storageClassName" "" .spec -}}
{{- $mend := printf "Set it back, or take away the claim and its copies: kubectl delete pvc %s-backup." $object -}}
{{- if gt (include "practice.bytes" $size | int64) (include "practice.bytes" $store.backup.size | int64) }}
stores.{{ $name }}.backup.size: the claim has {{ $size }}, and {{ $store.backup.size }} is less. {{ $mend }}
{{- end -}}
{{- if not (has $store.backup.storageClass (list "" $class)) }}
stores.{{ $name }}.backup.storageClass: the claim was made with {{ $class }}, which can't be changed to {{ $store.backup.storageClass }}. {{ $mend }}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Takes the top-level scope: what of the stores, and of the services that use them, does not fit together. */}}
{{- define "practice.brokenStores" -}}
{{- $fields := list -}}
{{- range list "[0-5]?[0-9]" "([01]?[0-9]|2[0-3])" "(0?[1-9]|[12][0-9]|3[01])" "(0?[1-9]|1[0-2]|[A-Za-z]{3})" "([0-6]|[A-Za-z]{3})" -}}
{{- $fields = append $fields (replace "N" . "([*?]|N(-N)?)(/[1-9][0-9]*)?(,([*?]|N(-N)?)(/[1-9][0-9]*)?)*") -}}
{{- end -}}
{{- $schedule := printf "^(@(yearly|annually|monthly|weekly|daily|midnight|hourly|every ([0-9]+(h|m|s))+)|%s)$" (join " +" $fields) -}}
{{- $old := include "practice.oldStore" . -}}
{{- with .Values.store -}}
{{- if and .enabled .url }}
store.url: {{ .url }} is a store outside of this release, and store.enabled makes one inside. Choose one of them.
{{- end -}}
{{- if and (or .enabled .url) (kindIs "map" (index $.Values.stores $old)) }}
store: it makes the store {{ $old }}, as stores.{{ $old }} does. Leave out store, which is how it was written before.
{{- end -}}
{{- end -}}
{{- range $name, $store := .stores -}}
{{- $knob := print "stores." $name -}}
{{- if and .url (not (hasPrefix (print .type "://") .url)) }}
{{ $knob }}.url: {{ .url }} is none of the type {{ .type }}. Set {{ $knob }}.type to {{ ternary "redis" "postgres" (hasPrefix "redis:" .url) }}.
{{- end -}}
{{- if .inside -}}
{{- $full := include "practice.name" . -}}
{{- $most := ternary 45 52 .backup.enabled -}}
{{- if gt (len $full) $most }}
{{ $knob }}: its pods are labelled with its name {{ $full | quote }} and a hash{{ if .backup.enabled }}, its backups are called {{ $full }}-backup{{ end }}, and with {{ len $full }} characters that is longer than Kubernetes takes: {{ $most }} are left. Set a shorter names.prefix, or call the store or the release otherwise.
{{- end -}}
{{- if and .backup.enabled (not .persistence.enabled) }}
{{ $knob }}.backup: what is not to outlive its pod (persistence.enabled is false) is not worth a copy. Set {{ $knob }}.persistence.enabled to true, or backup.enabled to false.
{{- end -}}
{{- if and .backup.enabled (not (regexMatch $schedule .backup.schedule)) }}
{{ $knob }}.backup.schedule: {{ .backup.schedule | quote }} is none. Give minute (0 to 59), hour (0 to 23), day of the month (1 to 31), month (1 to 12) and day of the week (0 to 6), as in "0 3 * * *", or @daily.
{{- end -}}
{{- if and (gt (int .replicas) 1) (eq .type "postgres") }}
{{ $knob }}.replicas: {{ int .replicas }} pods of PostgreSQL would be {{ int .replicas }} databases: the chart sets up copies of Redis alone. Set it to 1, or give the url of one that is looked after elsewhere.
{{- end -}}
{{- with .persistence.existingClaim }}
{{- if not $store.persistence.enabled }}
{{ $knob }}.persistence.existingClaim: {{ . }} is asked for, and persistence.enabled is false. Leave one.
{{- else if gt (int $store.replicas) 1 }}
{{ $knob }}.persistence.existingClaim: {{ . }} is one volume, and {{ int $store.replicas }} pods need as many. Set replicas to 1, or take it away.
{{- end -}}
{{- end -}}
{{- if and (gt (int .replicas) 1) (not .persistence.enabled) }}
{{ $knob }}.replicas: without a volume the first pod comes back empty, and the others empty themselves after it. Set {{ $knob }}.persistence.enabled to true, or replicas to 1.
{{- end -}}
{{- else if .backup.enabled }}
{{ $knob }}.backup: {{ .url }} is outside of this release, and its copies are made there. Set backup.enabled to false.
{{- end -}}
{{- end -}}
{{- $there := keys .stores | sortAlpha | join ", " | default "none" -}}
{{- range $name, $service := .services -}}
{{- $variables := dict -}}
{{- range .stores -}}
{{- $store := index $.stores . -}}
{{- if not $store }}
services.{{ $name }}.{{ ternary "useStore" "stores" (and $service.useStore (eq . $old)) }}: there is no store {{ . | quote }}, and there are: {{ $there }}. Add stores.{{ . }}, or correct the name.
{{- else -}}
{{- with index $variables $store.variable }}
services.{{ $name }}.stores: {{ . }} and {{ $store.name }} are both of the type {{ $store.type }}, and there is one {{ $store.variable }}_URL. Leave one.
{{- end -}}
{{- $_ := set $variables $store.variable . -}}
{{- if and (eq $service.kind "frontend") (ne $store.type "redis") }}
services.{{ $name }}.stores: a gateway counts in a store of type redis, and {{ . }} is of the type {{ $store.type }}. Take it out.
{{- end -}}
{{- end -}}
{{- end -}}
{{- $own := index $.Values.services $name -}}
{{- range $knob := list "stores" "useStore" "role" "voteOptions" -}}
{{- $counts := and (eq $service.kind "frontend") (eq $knob "stores") -}}
{{- if and (ne $service.kind "systems") (not $counts) (not (has (index $own $knob) (list nil false "" "api" list))) }}
services.{{ $name }}.{{ $knob }}: votes and jobs are the program systems, and this is a {{ $service.kind }}. Set services.{{ $name }}.kind to systems.
{{- end -}}
{{- end -}}
{{- if eq .kind "systems" -}}
{{- if and (not .answers) (not .stores) }}
services.{{ $name }}.role: a worker takes its jobs from a store. Name one of type redis in services.{{ $name }}.stores.
{{- end -}}
{{- if and (not .answers) (ne .service.type "ClusterIP") }}
services.{{ $name }}.service.type: a worker takes no requests, from outside even less. Leave it ClusterIP.
{{- end -}}
{{- if and (not .answers) .service.nodePortBeside.enabled }}
services.{{ $name }}.service.nodePortBeside: a worker takes no requests. Set enabled to false.
{{- end -}}
{{- if and .voteOptions (not .stores) }}
services.{{ $name }}.voteOptions: votes are kept in a store. Name one of type redis in services.{{ $name }}.stores.
{{- end -}}
{{- if eq (len .voteOptions) 1 }}
services.{{ $name }}.voteOptions: {{ first .voteOptions }} alone is no choice. Give two or more, or none.
{{- end -}}
{{- else if eq .kind "backend" -}}
{{- $ids := list -}}
{{- range .data.items }}{{ $ids = append $ids (toJson .id) }}{{ end -}}
{{- if ne (len $ids) (len (uniq $ids)) }}
services.{{ $name }}.data.items: two items have the same id, and a path leads to one. Number them anew.
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
