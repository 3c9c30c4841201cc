{{- define "sagascope.selector" -}}
app.kubernetes.io/name: sagascope
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- with .name }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end -}}

{{/* Of everything; `name` is the service's or the Job's. */}}
{{- define "sagascope.labels" -}}
{{ include "sagascope.selector" . }}
app.kubernetes.io/version: {{ include "sagascope.version" .root | trunc 63 | quote }}
app.kubernetes.io/part-of: sagascope
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "sagascope.version" -}}
{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}

{{- define "sagascope.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ include "sagascope.version" . }}
{{- end -}}
{{- end -}}

{{/* What a service says of its own, over what is said of all. */}}
{{- define "sagascope.resources" -}}
{{ mergeOverwrite (deepCopy .root.Values.resources) .service.resources | toYaml }}
{{- end -}}

{{/*
The variables that are the same for all services, as a map. Where secrets are mounted is said in sagascope.pod. Every
variable there is: shared/process/config.ts, infra/security/README.md.
*/}}
{{- define "sagascope.environment" -}}
{{- $kafka := .Values.kafka -}}
{{- $telemetry := .Values.telemetry -}}
KAFKA_BROKERS: {{ join "," $kafka.brokers | quote }}
KAFKA_TOPIC_PARTITIONS: {{ $kafka.partitions | int | quote }}
KAFKA_TOPIC_REPLICATION_FACTOR: {{ $kafka.replicationFactor | int | quote }}
KAFKA_SECURITY_PROTOCOL: {{ $kafka.securityProtocol }}
{{- with $kafka.sasl.mechanism }}
KAFKA_SASL_MECHANISM: {{ . }}
{{- end }}
{{- if $kafka.tls.existingSecret }}
KAFKA_SSL_CA_FILE: /run/secrets/kafka-tls/ca.crt
{{- end }}
{{- if $kafka.tls.clientCertificate }}
KAFKA_SSL_CERT_FILE: /run/secrets/kafka-tls/tls.crt
KAFKA_SSL_KEY_FILE: /run/secrets/kafka-tls/tls.key
{{- end }}
{{- with .Values.mongodb.url }}
MONGODB_URL: {{ . | quote }}
{{- end }}
MONGODB_DATABASE_PREFIX: {{ .Values.mongodb.databasePrefix | quote }}
GATEWAY_HOST: 0.0.0.0
GATEWAY_PORT: "8080"
TRUSTED_PROXIES: {{ join "," .Values.gateway.trustedProxies | quote }}
HEALTH_HOST: 0.0.0.0
HEALTH_PORT: "8081"
NODE_OPTIONS: --max-old-space-size-percentage={{ .Values.heapPercent | int }}
{{- if $telemetry.endpoint }}
OTEL_EXPORTER_OTLP_ENDPOINT: {{ $telemetry.endpoint | quote }}
OTEL_EXPORTER_OTLP_PROTOCOL: http/protobuf
OTEL_EXPORTER_OTLP_COMPRESSION: gzip
{{- if $telemetry.tls.existingSecret }}
OTEL_EXPORTER_OTLP_CERTIFICATE: /run/secrets/otlp-tls/ca.crt
{{- end }}
{{- if $telemetry.tls.clientCertificate }}
OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: /run/secrets/otlp-tls/tls.crt
OTEL_EXPORTER_OTLP_CLIENT_KEY: /run/secrets/otlp-tls/tls.key
{{- end }}
{{- else }}
OTEL_TRACES_EXPORTER: none
OTEL_METRICS_EXPORTER: none
OTEL_LOGS_EXPORTER: none
{{- end }}
{{- end -}}

{{/* What the gateway has besides, for the console. */}}
{{- define "sagascope.consoleEnvironment" -}}
GATEWAY_CONSOLE: "on"
JAEGER_URL: {{ .jaegerUrl | quote }}
ELASTICSEARCH_URL: {{ .elasticsearchUrl | quote }}
PROMETHEUS_URL: {{ .prometheusUrl | quote }}
{{- end -}}

{{/* The user's name for Kafka and MongoDB, and where the passwords are mounted; as a list. */}}
{{- define "sagascope.secretEnvironment" -}}
{{- $kafkaSecret := .service.secrets.kafka | default .root.Values.kafka.sasl.existingSecret -}}
{{- $mongodbSecret := .service.secrets.mongodb | default .root.Values.mongodb.credentials.existingSecret -}}
{{- with $kafkaSecret }}
- name: KAFKA_SASL_USERNAME
  valueFrom: { secretKeyRef: { name: {{ . }}, key: {{ $.root.Values.kafka.sasl.usernameKey }} } }
- name: KAFKA_SASL_PASSWORD_FILE
  value: /run/secrets/kafka/password
{{- end }}
{{- with .root.Values.mongodb.urlSecret }}
{{- if .name }}
- name: MONGODB_URL
  valueFrom: { secretKeyRef: { name: {{ .name }}, key: {{ .key }} } }
{{- end }}
{{- end }}
{{- with $mongodbSecret }}
- name: MONGODB_USERNAME
  valueFrom: { secretKeyRef: { name: {{ . }}, key: {{ $.root.Values.mongodb.credentials.usernameKey }} } }
- name: MONGODB_PASSWORD_FILE
  value: /run/secrets/mongodb/password
{{- end }}
{{- end -}}

{{/* The mounted Secrets, as a list of volumes; each is mounted under /run/secrets by its name. */}}
{{- define "sagascope.volumes" -}}
{{- with .service.secrets.kafka | default .root.Values.kafka.sasl.existingSecret }}
- name: kafka
  secret: { secretName: {{ . }}, defaultMode: 0440, items: [{ key: {{ $.root.Values.kafka.sasl.passwordKey }}, path: password }] }
{{- end }}
{{- with .service.secrets.mongodb | default .root.Values.mongodb.credentials.existingSecret }}
- name: mongodb
  secret: { secretName: {{ . }}, defaultMode: 0440, items: [{ key: {{ $.root.Values.mongodb.credentials.passwordKey }}, path: password }] }
{{- end }}
{{- with .root.Values.kafka.tls.existingSecret }}
- name: kafka-tls
  secret: { secretName: {{ . }}, defaultMode: 0440 }
{{- end }}
{{- with .root.Values.mongodb.tls.existingSecret }}
- name: mongodb-tls
  secret: { secretName: {{ . }}, defaultMode: 0440 }
{{- end }}
{{- with .root.Values.telemetry.tls.existingSecret }}
- name: otlp-tls
  secret: { secretName: {{ . }}, defaultMode: 0440 }
{{- end }}
{{- end -}}

{{/* Of an http or https URL. */}}
{{- define "sagascope.portOf" -}}
{{- $place := regexFind "//[^/]+" . -}}
{{ regexFind ":[0-9]+$" $place | trimPrefix ":" | default (ternary "443" "80" (hasPrefix "https:" .)) }}
{{- end -}}

{{/* Of every host in the URL; mongodb+srv:// gets them from DNS. */}}
{{- define "sagascope.mongodbPorts" -}}
{{- $url := .Values.mongodb.url -}}
{{- if or (not $url) (hasPrefix "mongodb+srv:" $url) -}}
- {{ .Values.networkPolicies.mongodbPort | int }}
{{- else -}}
{{- $hosts := regexFind "//[^/?]+" $url | trimPrefix "//" | splitList "," -}}
{{- $ports := list -}}
{{- range $hosts -}}
{{- $ports = append $ports (regexFind ":[0-9]+$" . | trimPrefix ":" | default "27017") -}}
{{- end -}}
{{- range uniq $ports }}
- {{ . }}
{{- end }}
{{- end -}}
{{- end -}}
