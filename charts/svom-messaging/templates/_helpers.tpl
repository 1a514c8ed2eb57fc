{{- /* Every object has one name: there is one operator in a namespace. */ -}}
{{- define "svom-messaging.name" -}}
svom-messaging
{{- end -}}

{{- /* By which the operator's pods are found; they can never change. */ -}}
{{- define "svom-messaging.selector" -}}
app.kubernetes.io/name: {{ include "svom-messaging.name" . }}
{{- end -}}

{{- define "svom-messaging.labels" -}}
{{ include "svom-messaging.selector" . }}
app.kubernetes.io/part-of: svom-messaging
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "svom-messaging.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end -}}
