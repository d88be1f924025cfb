{{/*
Copies of a store. All templates here take a store.
*/}}

{{/* The pod that makes a copy, or brings one back: less its restartPolicy. */}}
{{- define "practice.backupPod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- include "practice.pullSecrets" .root }}
securityContext:
  {{- toYaml .root.Values.defaults.podSecurityContext | nindent 2 }}
containers:
  - name: backup
    image: {{ include "practice.storeImage" . }}
    imagePullPolicy: {{ .root.Values.image.pullPolicy }}
    {{- /* The image's own shell. */}}
    command:
      - sh
      - -euc
      - |
        {{- include "practice.backupScript" . | nindent 8 }}
    env:
      {{- if eq .type "postgres" }}
      - {name: PGHOST, value: {{ include "practice.serviceName" . }}}
      - {name: PGPORT, value: {{ int .port | quote }}}
      - {name: PGUSER, value: {{ .postgres.user | quote }}}
      - {name: PGDATABASE, value: {{ .postgres.database | quote }}}
      - name: PGPASSWORD
      {{- else }}
      - {name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
      - name: REDISCLI_AUTH
      {{- end }}
        valueFrom:
          secretKeyRef:
            name: {{ .secret | toYaml }}
            key: {{ .password.key }}
    {{- with .resources }}
    resources:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    securityContext:
      {{- toYaml .root.Values.defaults.securityContext | nindent 6 }}
    volumeMounts:
      - name: backup
        mountPath: /backup
volumes:
  - name: backup
    persistentVolumeClaim:
      claimName: {{ include "practice.name" (dict "root" .root "name" (print .name "-backup")) | toYaml }}
{{- end -}}

{{/*
A copy has its name when all of it is there. Names are times, so the oldest come first. RESTORE, the name of a copy or newest, is what
a person sets (chart/README.md).
*/}}
{{- define "practice.backupScript" -}}
{{- $ending := ternary ".dump" ".rdb" (eq .type "postgres") -}}
{{- $copies := print .name "-2*" $ending -}}
cd /backup
if [ "${RESTORE-}" = newest ]; then for RESTORE in {{ $copies }}; do :; done; fi
if [ "${RESTORE-}" ] && [ ! -s "$RESTORE" ]; then
  echo "there is no copy $RESTORE, and there are:" {{ $copies }} >&2
  exit 1
fi
{{- if eq .type "postgres" }}
until pg_isready -q; do sleep 1; done
if [ "${RESTORE-}" ]; then
  pg_restore --clean --if-exists --single-transaction --dbname="$PGDATABASE" "$RESTORE"
  echo "restored $RESTORE"
  exit
fi
{{- else }}
store() { redis-cli -e -h {{ include "practice.serviceName" . }} -p {{ int .port }} "$@"; }
has() { case $(store info "$1") in *"$2"*) ;; *) return 1 ;; esac; }
until store ping; do sleep 1; done
if [ "${RESTORE-}" ]; then
  {{- /* A second server has the copy, and the first one follows it until it has all. */}}
  redis-server --port 6390 --dir /backup --dbfilename "$RESTORE" --save '' --repl-diskless-sync-delay 0 --requirepass "$REDISCLI_AUTH" &
  until redis-cli -e -p 6390 ping; do kill -0 $!; sleep 1; done
  store config set masterauth "$REDISCLI_AUTH"
  trap 'store replicaof no one; kill $!' EXIT
  store replicaof "$POD_IP" 6390
  until has replication master_link_status:up && has persistence aof_rewrite_in_progress:0; do sleep 1; done
  echo "restored $RESTORE"
  exit
fi
{{- end }}
new={{ .name }}-$(date -u +%Y%m%dT%H%M%SZ){{ $ending }}
rm -f .*.part
{{- if eq .type "postgres" }}
pg_dump --format=custom --file=".$new.part"
{{- else }}
store --rdb ".$new.part"
{{- end }}
mv ".$new.part" "$new"
set -- {{ $copies }}
while [ $# -gt {{ int .backup.copies }} ]; do
  rm "$1"
  shift
done
echo "copies:" "$@"
{{- end -}}
