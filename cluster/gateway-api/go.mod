// The definitions of the Gateway API's objects, for the tests: the files, nothing is compiled.
module practice/gateway-api

go 1.26.4

require sigs.k8s.io/gateway-api v1.6.3
