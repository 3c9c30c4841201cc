{{- define "platform.labels" -}}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/part-of: sagascope
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* A ConfigMap of files, each under its own name. */}}
{{- define "platform.configMap" }}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .name }}
  labels:
    {{- include "platform.labels" .root | nindent 4 }}
data:
  {{- range $pattern := .files }}
  {{- $found := $.root.Files.Glob $pattern }}
  {{- if not $found }}
  {{- fail (printf "%s is missing: is %s a link into infra/?" $pattern $.root.Chart.Name) }}
  {{- end }}
  {{- range $path, $content := $found }}
  {{ base $path }}: {{ $content | toString | toJson }}
  {{- end }}
  {{- end }}
{{- end -}}
