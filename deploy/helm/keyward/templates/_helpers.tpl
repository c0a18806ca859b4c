{{/* The prefix of all names. */}}
{{- define "keyward.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* The labels that select the pods of a service. Takes {root, service}. */}}
{{- define "keyward.selector" -}}
app.kubernetes.io/name: keyward
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .service }}
{{- end -}}

{{- define "keyward.labels" -}}
{{ include "keyward.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* The image of a service. Takes {root, service}. */}}
{{- define "keyward.image" -}}
{{- $own := (index .root.Values .service).image -}}
{{- $name := $own.repository -}}
{{- with .root.Values.image.registry }}{{ $name = printf "%s/%s" (trimSuffix "/" .) $name }}{{ end -}}
{{- if $own.digest -}}
{{ printf "%s@%s" $name $own.digest }}
{{- else -}}
{{ printf "%s:%s" $name ($own.tag | default .root.Values.image.tag | default .root.Chart.AppVersion) }}
{{- end -}}
{{- end -}}

{{/* A required value. Takes {value, name}. */}}
{{- define "keyward.required" -}}
{{- required (printf "%s is required; see values.yaml" .name) .value -}}
{{- end -}}

{{- define "keyward.policyName" -}}
{{- .Values.policy.existingConfigMap | default (printf "%s-policy" (include "keyward.fullname" .)) -}}
{{- end -}}

{{/* The configuration that both services share. Takes {root, service, port}. */}}
{{- define "keyward.serverConfig" -}}
listen: {{ printf "0.0.0.0:%d" (int .port) }}
metrics_listen: 0.0.0.0:9090
metrics_public: true # the network policy restricts access
tls:
  certificate: /etc/keyward/tls/tls.crt
  key: /etc/keyward/tls/tls.key
  client_trust: /etc/keyward/tls/ca.crt
  trust_domain: {{ include "keyward.required" (dict "value" .root.Values.trustDomain "name" "trustDomain") }}
auth:
  policy: /etc/keyward/policy/policy.yaml
  issuers: {{- toYaml .root.Values.issuers | nindent 4 }}
{{- with (index .root.Values .service).limits }}
limits: {{- toYaml . | nindent 2 }}
{{- end }}
log: {level: {{ .root.Values.log.level }}}
{{- with .root.Values.traces }}
traces: {{- toYaml . | nindent 2 }}
{{- end }}
store: {{ printf "/var/lib/keyward/%s.db" .service }}
{{- with (index .root.Values .service).backup }}
{{- if .existingClaim }}
backup: {folder: /var/lib/keyward-backup, every: {{ .every }}, keep: {{ .keep }}}
{{- end }}
{{- end }}
{{- with (index .root.Values .service).key }}
{{- if .provider }}
key_provider: {{ .provider | quote }}
{{- else }}
key_file: {{ printf "/etc/keyward/key/%s" .item }}
{{- end }}
{{- end }}
{{- end -}}

{{/* The whole configuration of a service, overridden by the operator's. Takes {root, service}. */}}
{{- define "keyward.config" -}}
{{- $root := .root -}}
{{- $name := include "keyward.fullname" $root -}}
{{- $config := dict -}}
{{- if eq .service "vault" -}}
{{- $config = include "keyward.serverConfig" (dict "root" $root "service" "vault" "port" 9443) | fromYaml -}}
{{- else if eq .service "allowlist" -}}
{{- $config = include "keyward.serverConfig" (dict "root" $root "service" "allowlist" "port" 9443) | fromYaml -}}
{{- $way := dict "address" (printf "%s-vault.%s.svc:9443" $name $root.Release.Namespace) "server_name" (printf "spiffe://%s/vault" $root.Values.trustDomain) "ca" "/etc/keyward/tls/ca.crt" "certificate" "/etc/keyward/tls/tls.crt" "key" "/etc/keyward/tls/tls.key" -}}
{{- $config = set $config "vault" $way -}}
{{- if $root.Values.allowlist.presets.existingConfigMap }}{{ $config = set $config "presets_dir" "/etc/keyward/presets" }}{{ end -}}
{{- else -}}
{{- $config = include "keyward.gatewayConfig" $root | fromYaml -}}
{{- end -}}
{{- mergeOverwrite $config (deepCopy (index $root.Values .service).config) | toYaml -}}
{{- end -}}

{{- define "keyward.gatewayConfig" -}}
{{- $name := include "keyward.fullname" . -}}
listen: 0.0.0.0:8443
metrics_listen: 0.0.0.0:9090
metrics_public: true # the network policy restricts access
tls: {certificate: /etc/keyward/tls/tls.crt, key: /etc/keyward/tls/tls.key}
{{- with .Values.gateway.allowedHosts }}
allowed_hosts: {{- toYaml . | nindent 2 }}
{{- end }}
vault: {{ $name }}-vault.{{ .Release.Namespace }}.svc:9443
allowlist: {{ $name }}-allowlist.{{ .Release.Namespace }}.svc:9443
client: {certificate: /etc/keyward/client/tls.crt, key: /etc/keyward/client/tls.key}
ca: /etc/keyward/client/ca.crt
log: {level: {{ .Values.log.level }}}
{{- with .Values.traces }}
traces: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The fields of every pod. Takes {root, service}. */}}
{{- define "keyward.podSettings" -}}
{{- $own := index .root.Values .service -}}
serviceAccountName: {{ include "keyward.fullname" .root }}-{{ .service }}
automountServiceAccountToken: false
enableServiceLinks: false
terminationGracePeriodSeconds: 30
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $own.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $own.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $own.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $own.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end -}}

{{/* The fields of every container. Takes {root, service}, and a command other than serve. */}}
{{- define "keyward.containerSettings" -}}
name: {{ .command | default .service }}
image: {{ include "keyward.image" . }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
args: [{{ .command | default "serve" }}, --config, /etc/keyward/config/{{ .service }}.yaml]
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
resources: {{- toYaml (index .root.Values .service).resources | nindent 2 }}
{{- end -}}

{{/* The configuration is read only at start, so a change must replace the pod. */}}
{{- define "keyward.podAnnotations" -}}
checksum/config: {{ include "keyward.config" . | sha256sum }}
{{- with (index .root.Values .service).podAnnotations }}
{{ toYaml . }}
{{- end }}
{{- end -}}
