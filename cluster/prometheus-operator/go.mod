// The definitions of the Prometheus operator's objects, for the tests: the files, nothing is compiled.
module practice/prometheus-operator

go 1.26.4

require github.com/prometheus-operator/prometheus-operator v0.85.0
