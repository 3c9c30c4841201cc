{{/*
What values.schema.json cannot compare. Each refusal names the value that is wrong and why.
*/}}
{{- define "sagascope.refusals" -}}
{{- $drain := 20 -}}{{/* seconds at most: shared/process/lifecycle.ts */}}
{{- if lt (int .Values.terminationGracePeriodSeconds) (add $drain .Values.preStopSeconds | int) -}}
  {{- fail (printf "terminationGracePeriodSeconds is %v: preStopSeconds (%v) and %v s to drain do not fit" (int .Values.terminationGracePeriodSeconds) (int .Values.preStopSeconds) $drain) -}}
{{- end -}}
{{- $partitions := int .Values.kafka.partitions -}}
{{- $sasl := hasPrefix "SASL" .Values.kafka.securityProtocol -}}
{{- range $name, $service := .Values.services -}}
  {{- $scaling := $service.autoscaling -}}
  {{- $most := ternary (int $scaling.maxReplicas) (int $service.replicas) $scaling.enabled -}}
  {{- if and $scaling.enabled (gt (int $scaling.minReplicas) (int $scaling.maxReplicas)) -}}
    {{- fail (printf "services.%s.autoscaling.minReplicas is %v, more than maxReplicas (%v)" $name (int $scaling.minReplicas) (int $scaling.maxReplicas)) -}}
  {{- end -}}
  {{- if and (ne $name "gateway") (gt $most $partitions) -}}
    {{- fail (printf "services.%s.%s is %v: with kafka.partitions %v all further replicas stand idle" $name (ternary "autoscaling.maxReplicas" "replicas" $scaling.enabled) $most $partitions) -}}
  {{- end -}}
  {{- $resources := include "sagascope.resources" (dict "root" $ "service" $service) | fromYaml -}}
  {{- if and (eq $name "gateway") $scaling.enabled (not (dig "requests" "cpu" "" $resources)) -}}
    {{- fail "services.gateway.autoscaling goes by processor time: services.gateway.resources.requests.cpu, or resources.requests.cpu, has to say how much is asked for" -}}
  {{- end -}}
  {{- if and (not $sasl) $service.secrets.kafka -}}
    {{- fail (printf "services.%s.secrets.kafka is set, but kafka.securityProtocol is %s, which has no users" $name $.Values.kafka.securityProtocol) -}}
  {{- end -}}
  {{- if and $sasl (not (or $service.secrets.kafka $.Values.kafka.sasl.existingSecret)) -}}
    {{- fail (printf "kafka.securityProtocol is %s, but %s has no user: set kafka.sasl.existingSecret or services.%s.secrets.kafka" $.Values.kafka.securityProtocol $name $name) -}}
  {{- end -}}
  {{- if and $.Values.mongodb.urlSecret.name $service.secrets.mongodb -}}
    {{- fail (printf "services.%s.secrets.mongodb is set, but mongodb.urlSecret has a user already" $name) -}}
  {{- end -}}
  {{- $own := merge (include "sagascope.environment" $ | fromYaml) (include "sagascope.consoleEnvironment" $.Values.gateway.console | fromYaml) -}}
  {{- range $variable := concat (keys $.Values.env) (keys $service.env) -}}
    {{- if or (hasKey $own $variable) (regexMatch "^MONGODB_URL$|^OTEL_RESOURCE_ATTRIBUTES$|_(USERNAME|PASSWORD)(_FILE)?$" $variable) -}}
      {{- fail (printf "env.%s is refused: this chart sets it from other values" $variable) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- $jobs := or .Values.kafka.createTopicsJob .Values.replay.args -}}
{{- if and $jobs $sasl (not .Values.kafka.sasl.existingSecret) -}}
  {{- fail "Jobs are no service and have no Secret of their own: kafka.sasl.existingSecret has to name one that may do what they do" -}}
{{- end -}}
{{- end -}}
