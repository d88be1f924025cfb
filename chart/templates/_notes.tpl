{{/*
What NOTES.txt says, computed from the values.
*/}}

{{/* Takes a service: after an upgrade, which the one who reads has seen before, only what the next one does. */}}
{{- define "practice.shortNotes" -}}
{{ .name }} ({{ include "practice.image" . }})
  {{ printf "%-16s" "in a rollout" }} {{ include "practice.rolloutNote" . }}
{{- end -}}

{{/* Takes a service. */}}
{{- define "practice.notes" -}}
{{- $pods := include "practice.pods" . | int -}}
{{- $scaling := .autoscaling -}}
{{- $rows := list -}}

{{- if $scaling.enabled -}}
{{- $rows = append $rows (list "pods" (printf "%d to %d, the autoscaler decides" $pods (int $scaling.maxReplicas))) -}}
{{- range $resource, $target := dict "cpu" $scaling.targetCPUUtilizationPercentage "memory" $scaling.targetMemoryUtilizationPercentage -}}
{{- if not (kindIs "invalid" $target) -}}
{{- $request := dig "requests" $resource (dig "limits" $resource "" $.resources) $.resources -}}
{{- if $request -}}
{{- $use := mul 2 (int $target) -}}
{{- $wanted := ceil (divf (mul $pods $use) (int $target)) -}}
{{- $most := int $scaling.maxReplicas -}}
{{- $stop := ternary (printf ", of which %d is the most" $most) "" (gt (int $wanted) $most) -}}
{{- $rows = append $rows (list (print "scaling, " $resource) (printf "pods = ceil(pods x use / %d %%), at most %d; use in %% of the %s request" (int $target) $most (include "practice.text" $request))) -}}
{{- $rows = append $rows (list "" (printf "%d pods at %d %%: ceil(%d x %d / %d) = %v%s" $pods $use $pods $use (int $target) $wanted $stop)) -}}
{{- else -}}
{{- $rows = append $rows (list (print "scaling, " $resource) "<unknown>: there is no request to compare the use with") -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- else -}}
{{- $rows = append $rows (list "pods" (.kept | default false | ternary (printf "%d, as the autoscaler left it. For another: --set services.%s.replicas=... --force-conflicts" (int .wanted) .name) (toString $pods))) -}}
{{- end -}}

{{- $rows = append $rows (list "in a rollout" (include "practice.rolloutNote" .)) -}}
{{- $rows = append $rows (list "start to ready" (printf "%s s at worst" (include "practice.readySeconds" .))) -}}
{{- with .lifecycle -}}
{{- $spent := addf .preStopSeconds .drainSeconds .longestRequestSeconds -}}
{{- $rows = append $rows (list "shutdown" (printf "preStop %v + drain %v + longest request %v = %v of %v s" .preStopSeconds .drainSeconds .longestRequestSeconds $spent .terminationGracePeriodSeconds)) -}}
{{- end -}}
{{- range include "practice.reach" . | trim | splitList "\n" -}}
{{- $rows = append $rows (list "reach" .) -}}
{{- end -}}
{{- if and (eq .kind "frontend") .observerUrl (not .routeTable.routes) -}}
{{- $there := dict -}}
{{- if .root.Values.clusterChecks }}{{ $there = lookup "v1" "Service" .root.Release.Namespace (urlParse .observerUrl).hostname }}{{ end -}}
{{- $inside := not (empty $there) -}}
{{- range .root.services }}{{ if eq (include "practice.url" .) (trimSuffix "/" $.observerUrl) }}{{ $inside = true }}{{ end }}{{ end -}}
{{- $rows = append $rows (list "sees" (printf "what the cluster says of every pod, from %s%s" .observerUrl (ternary "" ", while there is an observer:" $inside))) -}}
{{- if not $inside }}{{ $rows = append $rows (list "sees" (printf "helm install observer chart/ -f values/observer.yaml -n %s" .root.Release.Namespace)) }}{{ end -}}
{{- end -}}

{{- .name }} ({{ include "practice.image" . }})
{{- $last := "" -}}
{{- range $rows }}
  {{ printf "%-16s" (ternary "" (first .) (eq $last (first .))) }} {{ last . }}
{{- $last = first . -}}
{{- end -}}
{{- end -}}

{{/* Takes a service. Kubernetes lets one pod go where both limits round to 0. */}}
{{- define "practice.rolloutNote" -}}
{{- $pods := include "practice.pods" . | int -}}
{{- if eq .strategy.type "Recreate" -}}
none: all pods stop before new ones start
{{- else -}}
{{- $surge := include "practice.count" (dict "value" .strategy.maxSurge "pods" $pods "round" "ceil") | int -}}
{{- $missing := include "practice.count" (dict "value" .strategy.maxUnavailable "pods" $pods "round" "floor") | int -}}
{{- if and (eq $surge 0) (eq $missing 0) }}{{ $missing = 1 }}{{ end -}}
of {{ $pods }}, at least {{ max 0 (sub $pods $missing) }} ready and at most {{ add $pods $surge }} at once
{{- end -}}
{{- end -}}

{{/* Takes a service: one line for each way to the service. */}}
{{- define "practice.reach" -}}
{{- $name := include "practice.serviceName" . -}}
{{- if .answers -}}
{{- $port := int .service.port -}}
{{- $nodePort := int .service.nodePort | toString -}}
{{- if eq $nodePort "0" }}{{ $nodePort = "PORT" }}{{ end -}}
{{- if eq .service.type "LoadBalancer" }}
http://ADDRESS:{{ $port }}, ADDRESS as in kubectl get svc {{ $name }} (EXTERNAL-IP)
{{- end }}
{{- if ne .service.type "ClusterIP" }}
http://NODE:{{ $nodePort }}, NODE as in kubectl get nodes -o wide
{{- if eq $nodePort "PORT" }}
  PORT as in kubectl get svc {{ $name }}
{{- end }}
{{- end }}
http://{{ $name }}:{{ $port }} inside the cluster
{{- if eq .service.type "ClusterIP" }}
kubectl port-forward -n {{ .root.Release.Namespace }} svc/{{ $name }} {{ $port }}
{{- end }}
{{- if .service.nodePortBeside.enabled }}
http://NODE:{{ with int .service.nodePortBeside.nodePort }}{{ . }}{{ else }}PORT{{ end }} too, PORT as in kubectl get svc {{ include "practice.nodePortName" . }}
{{- end }}
{{- else -}}
by nobody: a worker asks a store for its work
{{- end -}}
{{- end -}}

{{/*
Takes the top-level scope. What the cluster lacks is known only where there is a cluster to ask: lookup finds nothing in
a dry run on the client.
*/}}
{{- define "practice.warnings" -}}
{{- range .warnings | default "" | splitList "\n" | compact }}
WARNING {{ wrapWith 70 "\n        " . }}
{{- end -}}
{{- $old := list -}}
{{- if .Values.store }}{{ $old = append $old "store" }}{{ end -}}
{{- range $name, $service := .services }}{{ if .useStore }}{{ $old = append $old (printf "services.%s.useStore" $name) }}{{ end }}{{ end -}}
{{- with $old }}
NOTE the chart has several stores now. What was `store` is stores.{{ include "practice.oldStore" $ }},
     what was `useStore: true` is `stores: [{{ include "practice.oldStore" $ }}]`. Both still work:
     {{ join ", " . }}.
{{- end -}}
{{- range $name, $service := .services -}}
{{- with regexFindAll "\\bFAULT_\\w+" (keys .settings | sortAlpha | join " ") -1 }}
WARNING {{ $name }} has faults on purpose: {{ join ", " . }}.
{{- end -}}
{{- end -}}
{{- $there := dict -}}
{{- if .Values.clusterChecks }}{{ $there = lookup "v1" "Namespace" "" "kube-system" }}{{ end -}}
{{- if $there -}}
{{- $autoscaled := list -}}
{{- range $name, $service := .services -}}
{{- if .autoscaling.enabled }}{{ $autoscaled = append $autoscaled $name }}{{ end -}}
{{- end -}}
{{- if and $autoscaled (not ($.Capabilities.APIVersions.Has "metrics.k8s.io/v1beta1")) }}
WARNING this cluster has no metrics API: {{ join ", " $autoscaled }} will not scale.
        Install metrics-server.
{{- end -}}
{{- with $.Values.ingress -}}
{{- if and .enabled .className (not (lookup "networking.k8s.io/v1" "IngressClass" "" .className)) }}
WARNING this cluster has no IngressClass {{ .className }}: nothing serves the ingress.
        Install its controller, or set ingress.className to one of: kubectl get ingressclass
{{- end -}}
{{- end -}}
{{- if and $.Values.ingress.enabled (not (include "practice.ingressHosts" $)) -}}
{{- range (lookup "networking.k8s.io/v1" "Ingress" "" "").items -}}
{{- $everywhere := false -}}
{{- range .spec.rules }}{{ if not .host }}{{ $everywhere = true }}{{ end }}{{ end -}}
{{- if and $everywhere (eq (.spec.ingressClassName | default "") $.Values.ingress.className) (not (include "practice.own" (dict "root" $ "object" .))) }}
WARNING the Ingress {{ .metadata.name }} in the namespace {{ .metadata.namespace }} takes every host too:
        of a path that both have, the controller chooses. Set ingress.hosts.
{{- end -}}
{{- end -}}
{{- end -}}
{{- $classes := dict -}}
{{- with $.stores -}}
{{- range (lookup "storage.k8s.io/v1" "StorageClass" "" "").items -}}
{{- $_ := set $classes .metadata.name (dig "annotations" "storageclass.kubernetes.io/is-default-class" "" .metadata) -}}
{{- end -}}
{{- end -}}
{{- range $name, $store := $.stores -}}
{{- range $knob := list "persistence" "backup" -}}
{{- with index $store $knob -}}
{{- if and $store.inside .enabled (not (ternary (hasKey $classes .storageClass) (has "true" (values $classes)) (ne .storageClass ""))) }}
WARNING this cluster has no {{ with .storageClass }}StorageClass {{ . }}{{ else }}default StorageClass{{ end }}: {{ $name }} waits for a volume.
        Set stores.{{ $name }}.{{ $knob }}.storageClass to one of: kubectl get storageclass
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
