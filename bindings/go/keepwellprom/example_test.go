package keepwellprom_test

import (
	"fmt"
	"log"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/keepwell/keepwell/bindings/go"
	"github.com/keepwell/keepwell/bindings/go/keepwellprom"
)

func Example() {
	store, err := keepwell.OpenConfig(keepwell.Config{DataSource: ":memory:", Options: map[string]any{"metrics.label": "app"}})
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()

	registry := prometheus.NewRegistry() // or prometheus.DefaultRegisterer
	registry.MustRegister(keepwellprom.NewCollector(store))

	families, err := registry.Gather()
	if err != nil {
		log.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == "keepwell_tx_total" {
			fmt.Println(family.GetHelp())
		}
	}
	// Output: Transactions that were begun by a call, and those of execute_many, by how they ended.
}
