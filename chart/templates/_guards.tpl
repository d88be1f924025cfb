{{- define "practice.guard" -}}{{- end -}}
