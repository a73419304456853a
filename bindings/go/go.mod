module github.com/keepwell/keepwell/bindings/go

go 1.24
