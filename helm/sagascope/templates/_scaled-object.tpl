{{/* The topics that each service subscribes to; a test holds them against shared/saga/flow.ts. */}}
{{- define "sagascope.subscriptions" -}}
users: [checkouts, orders]
orders: [users, payments]
payments: [checkouts, orders]
checkout: [checkouts, users, orders]
{{- end -}}

{{/* Consumer lag decides how many replicas there are: https://keda.sh/docs/latest/scalers/apache-kafka/ */}}
{{- define "sagascope.scaledObject" -}}
{{- $kafka := .root.Values.kafka -}}
{{- $fullName := printf "%s-%s" .root.Release.Name .name -}}
{{- $userSecret := .service.secrets.kafka | default $kafka.sasl.existingSecret -}}
{{- $authenticates := or $userSecret $kafka.tls.existingSecret }}
---
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  name: {{ $fullName }}
  labels:
    {{- include "sagascope.labels" . | nindent 4 }}
spec:
  scaleTargetRef: { name: {{ $fullName }} }
  minReplicaCount: {{ .service.autoscaling.minReplicas }}
  maxReplicaCount: {{ .service.autoscaling.maxReplicas }}
  pollingInterval: 15
  # While nobody can say how long the queue is.
  fallback: { failureThreshold: 4, replicas: {{ .service.autoscaling.minReplicas }} }
  advanced:
    horizontalPodAutoscalerConfig:
      behavior:
        # Each change of members halts the whole group for a moment.
        scaleDown: { stabilizationWindowSeconds: 300 }
  triggers:
    {{- range get (include "sagascope.subscriptions" . | fromYaml) .name }}
    - type: kafka
      {{- if $authenticates }}
      authenticationRef: { name: {{ $fullName }} }
      {{- end }}
      metadata:
        bootstrapServers: {{ join "," $kafka.brokers | quote }}
        consumerGroup: sagascope-{{ $.name }}
        topic: {{ . }}
        lagThreshold: {{ $.service.autoscaling.lagThreshold | quote }}
        # A group that has committed nothing yet reads from the beginning.
        offsetResetPolicy: earliest
        {{- with $kafka.sasl.mechanism }}
        sasl: {{ get (dict "plain" "plaintext" "scram-sha-256" "scram_sha256" "scram-sha-512" "scram_sha512") . }}
        {{- end }}
        {{- if hasSuffix "SSL" $kafka.securityProtocol }}
        tls: enable
        {{- end }}
    {{- end }}
{{- if $authenticates }}
---
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata:
  name: {{ $fullName }}
  labels:
    {{- include "sagascope.labels" . | nindent 4 }}
spec:
  secretTargetRef:
    {{- with $userSecret }}
    - { parameter: username, name: {{ . }}, key: {{ $kafka.sasl.usernameKey }} }
    - { parameter: password, name: {{ . }}, key: {{ $kafka.sasl.passwordKey }} }
    {{- end }}
    {{- with $kafka.tls.existingSecret }}
    - { parameter: ca, name: {{ . }}, key: ca.crt }
    {{- if $kafka.tls.clientCertificate }}
    - { parameter: cert, name: {{ . }}, key: tls.crt }
    - { parameter: key, name: {{ . }}, key: tls.key }
    {{- end }}
    {{- end }}
{{- end }}
{{- end -}}
