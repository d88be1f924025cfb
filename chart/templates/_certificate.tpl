{{/*
A certificate that the chart signs itself, kept over upgrades.
*/}}

{{/* Takes the top-level scope: all hosts of the Ingress, each once, with commas between them. */}}
{{- define "practice.ingressHosts" -}}
{{- $hosts := .Values.ingress.hosts -}}
{{- range .Values.ingress.paths }}{{ $hosts = append $hosts .host }}{{ end -}}
{{- compact $hosts | uniq | join "," -}}
{{- end -}}

{{/* Takes the top-level scope. */}}
{{- define "practice.brokenCertificate" -}}
{{- with .Values.ingress -}}
{{- if and .enabled .selfSigned.enabled (not (include "practice.ingressHosts" $)) }}
ingress.selfSigned: a certificate is for names, and there are none. Name one in ingress.hosts.
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Name of the Secret. */}}
{{- define "practice.certificateName" -}}
{{- include "practice.ingressName" . }}-tls
{{- end -}}

{{/*
Takes root and hosts: the Secret. The one that is there stays while what was asked is the same and it is good for 30 days more: clients
that trust its authority (ca.crt) need not be told anew. The authority's own key is not kept.
*/}}
{{- define "practice.certificate" -}}
{{- $name := include "practice.certificateName" .root -}}
{{- $hosts := join "," .hosts -}}
{{- $days := int .root.Values.ingress.selfSigned.days -}}
{{- $now := now | unixEpoch | int64 -}}
{{- $before := lookup "v1" "Secret" .root.Release.Namespace $name | default dict -}}
{{- $notes := dig "metadata" "annotations" dict $before -}}
{{- $until := index $notes "practice/good-until" | default "0" | int64 -}}
{{- $data := $before.data -}}
{{- $asked := dict "practice/hosts" $hosts "practice/days" (toString $days) -}}
{{- if or (not (deepEqual $asked (pick $notes "practice/hosts" "practice/days"))) (lt $until (add $now (mul 30 86400))) -}}
{{- $until = add $now (mul $days 86400) -}}
{{- $authority := genCA (printf "%s of release %s" $name .root.Release.Name | trunc 64) $days -}}
{{- $certificate := genSignedCert (first .hosts) nil .hosts $days $authority -}}
{{- $data = dict "ca.crt" (b64enc $authority.Cert) "tls.crt" (b64enc $certificate.Cert) "tls.key" (b64enc $certificate.Key) -}}
{{- end }}
apiVersion: v1
kind: Secret
type: kubernetes.io/tls
{{ include "practice.metadata" (dict "root" .root "object" $name "annotations" (merge (dict "practice/good-until" (toString $until)) $asked)) }}
data:
  {{- toYaml $data | nindent 2 }}
{{- end -}}
