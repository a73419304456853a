module github.com/keepwell/keepwell/tests/processes/go

go 1.24

require github.com/keepwell/keepwell/bindings/go v0.0.0

replace github.com/keepwell/keepwell/bindings/go => ../../../bindings/go
