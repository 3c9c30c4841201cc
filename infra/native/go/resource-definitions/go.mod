module sagascope/resource-definitions

go 1.25.0

require (
	github.com/kedacore/keda/v2 v2.21.0
	github.com/mongodb/mongodb-kubernetes-operator v0.9.0
	github.com/prometheus-operator/prometheus-operator v0.85.0
)
