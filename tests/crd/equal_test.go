package crd

import (
	"reflect"
	"testing"

	"sigs.k8s.io/yaml"
)

// equal compares whole values and shows both as YAML.
func equal(t *testing.T, got, want any) {
	t.Helper()
	if reflect.DeepEqual(got, want) {
		return
	}
	t.Errorf("got:\n%s\nwant:\n%s", asYAML(t, got), asYAML(t, want))
}

func asYAML(t *testing.T, value any) string {
	t.Helper()
	text, err := yaml.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
