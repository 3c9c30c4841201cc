{{/*
The pod of a service or a Job, as a template's metadata and spec.
  root, name    the chart's root, and the component's name
  service       its entry of `services`; of a Job, one with nothing of its own
  command       what Node runs instead of the image's entry point; for Jobs
  args          the entry point's arguments
  port          of its probes; none for Jobs
*/}}
{{- define "sagascope.pod" -}}
{{- $values := .root.Values -}}
{{- $volumes := include "sagascope.volumes" . | fromYamlArray -}}
metadata:
  labels:
    {{- include "sagascope.labels" . | nindent 4 }}
  {{- if .port }}
  annotations:
    # A changed ConfigMap is a new pod.
    checksum/environment: {{ include "sagascope.configMapData" .root | sha256sum }}
  {{- end }}
spec:
  # Nothing here talks to Kubernetes.
  automountServiceAccountToken: false
  enableServiceLinks: false
  {{- with $values.image.pullSecrets }}
  imagePullSecrets:
    {{- range . }}
    - name: {{ . }}
    {{- end }}
  {{- end }}
  {{- if .port }}
  terminationGracePeriodSeconds: {{ $values.terminationGracePeriodSeconds }}
  {{- else }}
  restartPolicy: Never
  {{- end }}
  {{- with $values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with $values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if and .port $values.topologySpreadKeys }}
  topologySpreadConstraints:
    {{- range $values.topologySpreadKeys }}
    - maxSkew: 1
      topologyKey: {{ . }}
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "sagascope.selector" $ | nindent 10 }}
      # Those of the version before are on their way out and do not count.
      matchLabelKeys: [pod-template-hash]
    {{- end }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    # The image's user, node; by number, since a name could be root's.
    runAsUser: 1000
    runAsGroup: 1000
    fsGroup: 1000
    seccompProfile: { type: RuntimeDefault }
  containers:
    - name: {{ .name }}
      image: {{ include "sagascope.image" .root | quote }}
      imagePullPolicy: {{ $values.image.pullPolicy }}
      {{- with .command }}
      command:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      args:
        {{- toYaml .args | nindent 8 }}
      {{- if .port }}
      envFrom:
        - configMapRef: { name: {{ .root.Release.Name }} }
      {{- end }}
      env:
        {{- if not .port }}
        {{- range $variable, $value := include "sagascope.configMapData" .root | fromYaml }}
        - name: {{ $variable }}
          value: {{ $value | quote }}
        {{- end }}
        {{- end }}
        - name: POD_NAME
          valueFrom: { fieldRef: { fieldPath: metadata.name } }
        - name: POD_UID
          valueFrom: { fieldRef: { fieldPath: metadata.uid } }
        - name: POD_NAMESPACE
          valueFrom: { fieldRef: { fieldPath: metadata.namespace } }
        - name: NODE_NAME
          valueFrom: { fieldRef: { fieldPath: spec.nodeName } }
        # Names of the semantic conventions for Kubernetes.
        - name: OTEL_RESOURCE_ATTRIBUTES
          value: >-
            service.version={{ include "sagascope.version" .root }},k8s.namespace.name=$(POD_NAMESPACE),k8s.pod.name=$(POD_NAME),k8s.pod.uid=$(POD_UID),k8s.node.name=$(NODE_NAME)
            {{- range $key, $value := $values.telemetry.resourceAttributes }},{{ $key }}={{ $value }}{{ end }}
        {{- with include "sagascope.secretEnvironment" . | trim }}
        {{- . | nindent 8 }}
        {{- end }}
        {{- if and (eq .name "gateway") $values.gateway.console.enabled }}
        {{- range $variable, $value := include "sagascope.consoleEnvironment" $values.gateway.console | fromYaml }}
        - name: {{ $variable }}
          value: {{ $value | quote }}
        {{- end }}
        {{- end }}
        {{- range $variable, $value := .service.env }}
        - name: {{ $variable }}
          value: {{ $value | quote }}
        {{- end }}
      {{- if .port }}
      ports:
        - { name: {{ .portName }}, containerPort: {{ .port }} }
      # Up to a minute to start, while MongoDB or the node is slow; after that a process that does not answer is ended.
      startupProbe:
        httpGet: { path: /healthz, port: {{ .portName }} }
        periodSeconds: 2
        timeoutSeconds: 2
        failureThreshold: 30
      livenessProbe:
        httpGet: { path: /healthz, port: {{ .portName }} }
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 3
      readinessProbe:
        httpGet: { path: /readyz, port: {{ .portName }} }
        periodSeconds: 5
        timeoutSeconds: 3
        failureThreshold: 2
      {{- end }}
      {{- if eq .name "gateway" }}
      lifecycle:
        preStop:
          # Requests still come until every node knows that the pod is going.
          sleep: { seconds: {{ $values.preStopSeconds }} }
      {{- end }}
      resources:
        {{- include "sagascope.resources" . | nindent 8 }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: { drop: [ALL] }
      {{- with $volumes }}
      volumeMounts:
        {{- range . }}
        - { name: {{ .name }}, mountPath: /run/secrets/{{ .name }}, readOnly: true }
        {{- end }}
  volumes:
    {{- toYaml . | nindent 4 }}
      {{- end }}
{{- end -}}

{{- define "sagascope.configMapData" -}}
{{- $data := include "sagascope.environment" . | fromYaml -}}
{{- range $variable, $value := .Values.env }}
{{- $_ := set $data $variable (toString $value) }}
{{- end }}
{{- toYaml $data -}}
{{- end -}}
