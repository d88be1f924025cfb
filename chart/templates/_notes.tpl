{{/*
What NOTES.txt says, computed from the values.
*/}}

{{/* Takes root, name and service. */}}
{{- define "practice.notes" -}}
{{- $service := .service -}}
{{- $pods := include "practice.pods" $service | int -}}
{{- $scaling := $service.autoscaling -}}
{{- $rows := list -}}

{{- if $scaling.enabled -}}
{{- $rows = append $rows (list "pods" (printf "%d to %d, the autoscaler decides" $pods (int $scaling.maxReplicas))) -}}
{{- range $resource, $target := dict "cpu" $scaling.targetCPUUtilizationPercentage "memory" $scaling.targetMemoryUtilizationPercentage -}}
{{- if not (kindIs "invalid" $target) -}}
{{- $request := dig "requests" $resource (dig "limits" $resource "" $service.resources) $service.resources -}}
{{- if $request -}}
{{- $use := mul 2 (int $target) -}}
{{- $wanted := ceil (divf (mul $pods $use) (int $target)) -}}
{{- $rows = append $rows (list (print "scaling, " $resource) (printf "pods = ceil(pods x use / %d %%), use in %% of the %v request" (int $target) $request)) -}}
{{- $rows = append $rows (list "" (printf "%d pods at %d %%: ceil(%d x %d / %d) = %v" $pods $use $pods $use (int $target) $wanted)) -}}
{{- else -}}
{{- $rows = append $rows (list (print "scaling, " $resource) "<unknown>: there is no request to compare the use with") -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- else -}}
{{- $rows = append $rows (list "pods" (toString $pods)) -}}
{{- end -}}

{{- $rows = append $rows (list "in a rollout" (include "practice.rolloutNote" $service)) -}}
{{- $rows = append $rows (list "start to ready" (printf "%s s at worst" (include "practice.readySeconds" $service))) -}}
{{- with $service.lifecycle -}}
{{- $spent := addf .preStopSeconds .drainSeconds .longestRequestSeconds -}}
{{- $rows = append $rows (list "shutdown" (printf "preStop %v + drain %v + longest request %v = %v of %v s" .preStopSeconds .drainSeconds .longestRequestSeconds $spent .terminationGracePeriodSeconds)) -}}
{{- end -}}
{{- range include "practice.reach" . | trim | splitList "\n" -}}
{{- $rows = append $rows (list "reach" .) -}}
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

{{/* Takes root, name and service: one line for each way to the service. */}}
{{- define "practice.reach" -}}
{{- $name := include "practice.serviceName" . -}}
{{- if include "practice.answers" .service -}}
{{- $port := int .service.service.port -}}
{{- $nodePort := int .service.service.nodePort | toString -}}
{{- if eq $nodePort "0" }}{{ $nodePort = "PORT" }}{{ end -}}
{{- if eq .service.service.type "LoadBalancer" }}
http://ADDRESS:{{ $port }}, ADDRESS as in kubectl get svc {{ $name }} (EXTERNAL-IP)
{{- end }}
{{- if ne .service.service.type "ClusterIP" }}
http://NODE:{{ $nodePort }}, NODE as in kubectl get nodes -o wide
{{- if eq $nodePort "PORT" }}
  PORT as in kubectl get svc {{ $name }}
{{- end }}
{{- end }}
http://{{ $name }}:{{ $port }} inside the cluster
{{- if eq .service.service.type "ClusterIP" }}
kubectl port-forward -n {{ .root.Release.Namespace }} svc/{{ $name }} {{ $port }}
{{- end }}
{{- if .service.service.nodePortBeside.enabled }}
http://NODE:{{ with int .service.service.nodePortBeside.nodePort }}{{ . }}{{ else }}PORT{{ end }} too, PORT as in kubectl get svc {{ include "practice.serviceName" (dict "root" .root "name" (print .name "-nodeport")) }}
{{- end }}
{{- else -}}
by nobody: a worker asks the store for its work
{{- end -}}
{{- end -}}

{{/*
Takes root and services. What the cluster lacks is known only where there is a cluster to ask: lookup finds nothing in
a dry run on the client.
*/}}
{{- define "practice.warnings" -}}
{{- $root := .root -}}
{{- range include "practice.brokenRules" . | trim | splitList "\n" -}}
{{- with . }}
WARNING {{ wrapWith 70 "\n        " . }}
{{- end -}}
{{- end -}}
{{- range $name, $service := .services -}}
{{- with include "practice.faults" $service | fromYaml }}
WARNING {{ $name }} has faults on purpose: {{ keys . | sortAlpha | join ", " }}.
{{- end -}}
{{- end -}}
{{- if lookup "v1" "Namespace" "" "kube-system" -}}
{{- $autoscaled := list -}}
{{- range $name, $service := .services -}}
{{- if $service.autoscaling.enabled }}{{ $autoscaled = append $autoscaled $name }}{{ end -}}
{{- end -}}
{{- if and $autoscaled (not ($root.Capabilities.APIVersions.Has "metrics.k8s.io/v1beta1")) }}
WARNING this cluster has no metrics API: {{ join ", " $autoscaled }} will not scale.
        Install metrics-server.
{{- end -}}
{{- with $root.Values.ingress -}}
{{- if and .enabled .className (not (lookup "networking.k8s.io/v1" "IngressClass" "" .className)) }}
WARNING this cluster has no IngressClass {{ .className }}: nothing serves the ingress.
        Install its controller, or set ingress.className to one of: kubectl get ingressclass
{{- end -}}
{{- end -}}
{{- with $root.Values.store -}}
{{- if and .enabled .persistence.enabled -}}
{{- $classes := dict -}}
{{- range (lookup "storage.k8s.io/v1" "StorageClass" "" "").items -}}
{{- $_ := set $classes .metadata.name (dig "annotations" "storageclass.kubernetes.io/is-default-class" "" .metadata) -}}
{{- end -}}
{{- if not (ternary (hasKey $classes .persistence.storageClass) (has "true" (values $classes)) (ne .persistence.storageClass "")) }}
WARNING this cluster has no {{ with .persistence.storageClass }}StorageClass {{ . }}{{ else }}default StorageClass{{ end }}: {{ .name }} waits for a volume.
        Set store.persistence.storageClass to one of: kubectl get storageclass
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
