{{/*
The pods of a store. All templates here take a store.
*/}}

{{- define "practice.storeImage" -}}
{{- include "practice.imageReference" (dict "root" .root "repository" .image.repository "tag" .image.tag "digest" .image.digest) -}}
{{- end -}}

{{/* The password of before, in base64, or a new one where there is none: an upgrade must not lock the services out. */}}
{{- define "practice.storePassword" -}}
{{- $secret := lookup "v1" "Secret" .root.Release.Namespace .secret | default dict -}}
{{- dig "data" .password.key "" $secret | default (randAlphaNum 32 | b64enc) -}}
{{- end -}}

{{/* The name that the first pod keeps, whatever its address: the one that takes writes. */}}
{{- define "practice.storePrimary" -}}
{{- include "practice.name" . }}-0.{{ include "practice.headlessName" . -}}
{{- end -}}

{{/* What the servers and the programs beside them take from the environment, under the names that they have for it. */}}
{{- define "practice.storeEnv" -}}
{{- $password := dict "secretKeyRef" (dict "name" .secret "key" .password.key) -}}
{{- if eq .type "postgres" -}}
- {name: POSTGRES_USER, value: {{ .postgres.user | quote }}}
- {name: POSTGRES_DB, value: {{ .postgres.database | quote }}}
- name: POSTGRES_PASSWORD
  valueFrom:
    {{- toYaml $password | nindent 4 }}
{{- /* A folder of the volume, and not the volume: the database is made beside it, and has this name when it is whole. */}}
- {name: PGDATA, value: /var/lib/postgresql/data/pgdata}
{{- /* What psql and pg_isready are without arguments: kubectl exec <pod> -- psql. */}}
- {name: PGPORT, value: {{ int .port | quote }}}
- {name: PGUSER, value: {{ .postgres.user | quote }}}
- {name: PGDATABASE, value: {{ .postgres.database | quote }}}
{{- else -}}
{{- /* redis-cli takes it from here, so that the probes need not name it. */ -}}
- name: REDISCLI_AUTH
  valueFrom:
    {{- toYaml $password | nindent 4 }}
{{- if gt (int .replicas) 1 }}
- {name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
{{- end }}
{{- end -}}
{{- end -}}

{{/* Takes started and ready, the commands that ask for it. */}}
{{- define "practice.storeProbes" -}}
startupProbe:
  exec:
    command:
      {{- toYaml .started | nindent 6 }}
  periodSeconds: 2
  timeoutSeconds: 2
  failureThreshold: 150
readinessProbe:
  exec:
    command:
      {{- toYaml .ready | nindent 6 }}
  periodSeconds: 5
  timeoutSeconds: 5
{{- end -}}

{{/* The command, arguments and probes of its server, and where it has its volume. */}}
{{- define "practice.redisServer" -}}
{{- /* By its name and not by an image's entry point, which differs: the official one wants to begin as root. */ -}}
{{- $ping := list "redis-cli" "-e" "-p" (int .port | toString) "ping" -}}
{{- $started := $ping -}}
{{- if gt (int .replicas) 1 }}
{{- /* A copy has started when it has what the first one has: what it answered before would be wrong. */ -}}
{{- $started = list "sh" "-c" (printf "case $(redis-cli -e -p %d info replication) in *role:master* | *master_link_status:up*) ;; *) exit 1 ;; esac" (int .port)) -}}
command:
  - sh
  - -c
  - case $POD_NAME in *-0) exec redis-server "$@" ;; *) exec redis-server "$@" --replicaof {{ include "practice.storePrimary" . }} {{ int .port }} ;; esac
  - redis-server
{{- else }}
command: [redis-server]
{{- end }}
args:
  - --port
  - {{ int .port | quote }}
  - --dir
  - /data
  {{- /* Every change is appended to a file; snapshots besides would be a second copy. */}}
  - --appendonly
  - "yes"
  - --appendfsync
  - {{ .persistence.fsync | quote }}
  - --save
  - ""
  - --maxmemory
  - {{ printf "%dmb" (int .maxMemoryMiB) | quote }}
  {{- /* Data is refused, never thrown away, when it is full. */}}
  - --maxmemory-policy
  - noeviction
  - --requirepass
  - $(REDISCLI_AUTH)
  {{- if gt (int .replicas) 1 }}
  - --masterauth
  - $(REDISCLI_AUTH)
  {{- /* A copy that begins is not kept waiting for others that might. */}}
  - --repl-diskless-sync-delay
  - "0"
  {{- end }}
{{- /* It answers nothing else while it reads its file, which takes as long as the file is long. */}}
{{ include "practice.storeProbes" (dict "started" $started "ready" $ping) }}
volumeMounts:
  - name: data
    mountPath: /data
{{- end -}}

{{- define "practice.postgresServer" -}}
{{- /* Without a command: the image's entry point makes the database at the first start. By TCP: until it is made, there is only the socket. */ -}}
{{- $ready := list "pg_isready" "-q" "-h" "127.0.0.1" -}}
args:
  - -c
  - listen_addresses=*
  - -c
  - max_connections={{ int .postgres.maxConnections }}
  - -c
  - shared_buffers={{ int .postgres.sharedBuffersMiB }}MB
  - -c
  - synchronous_commit={{ ternary "on" "off" (eq .persistence.fsync "always") }}
{{ include "practice.storeProbes" (dict "started" $ready "ready" $ready) }}
volumeMounts:
  - name: data
    mountPath: /var/lib/postgresql/data
  {{- /* Its socket and lock files, where the image's own file system cannot be written to. */}}
  - name: run
    mountPath: /var/run/postgresql
  - name: run
    mountPath: /tmp
{{- end -}}

{{/* Takes size and storageClass: the spec of a claim. */}}
{{- define "practice.claim" -}}
accessModes: [ReadWriteOnce]
{{- with .storageClass }}
storageClassName: {{ . | toYaml }}
{{- end }}
resources:
  requests:
    storage: {{ .size }}
{{- end -}}
