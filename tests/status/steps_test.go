package status

import (
	"os"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
)

const (
	steps  = "testdata/steps.json"
	script = "../../manifests/gitops/argocd/health.lua"
)

// What the tools are to make of each step.
var expected = map[string]struct {
	kstatus status.Status
	argo    string
}{
	"created, and not yet looked at":            {status.InProgressStatus, "Progressing"},
	"the bus is being made":                     {status.InProgressStatus, "Progressing"},
	"a change begins":                           {status.InProgressStatus, "Progressing"},
	"a change begins that mends what was wrong": {status.InProgressStatus, "Progressing"},
	"a change begins, and it is paused no more": {status.InProgressStatus, "Progressing"},
	"the servers start":                         {status.InProgressStatus, "Progressing"},
	"a user is added":                           {status.InProgressStatus, "Progressing"},
	"in force and not yet proven":               {status.InProgressStatus, "Progressing"},
	"a server fell":                             {status.InProgressStatus, "Progressing"},
	"a replica catches up":                      {status.InProgressStatus, "Progressing"},
	"a stream has no leader":                    {status.InProgressStatus, "Progressing"},
	"nothing can be seen":                       {status.InProgressStatus, "Progressing"},
	"a right does not hold":                     {status.InProgressStatus, "Progressing"},
	"a step failed and is tried again":          {status.InProgressStatus, "Progressing"},
	"ready":                                     {status.CurrentStatus, "Healthy"},
	"ready, and the authority ends some day":    {status.CurrentStatus, "Healthy"},
	"the resource is wrong":                     {status.FailedStatus, "Degraded"},
	"the resource was never anything but wrong": {status.FailedStatus, "Degraded"},
	"an object of somebody else is in the way":  {status.FailedStatus, "Degraded"},
	"a change is refused":                       {status.FailedStatus, "Degraded"},
	"paused":                                    {status.CurrentStatus, "Suspended"},
	"paused, and changes wait":                  {status.InProgressStatus, "Suspended"},
	"paused, and the resource is wrong":         {status.FailedStatus, "Degraded"},
	"changed when it was ready":                 {status.InProgressStatus, "Progressing"},
	"changed when it was wrong":                 {status.InProgressStatus, "Progressing"},
}

type step struct {
	Step     string         `json:"step"`
	Resource map[string]any `json:"resource"`
}

func read(t *testing.T) []step {
	t.Helper()
	text, err := os.ReadFile(steps)
	if err != nil {
		t.Fatal(err)
	}
	all := []step{}
	// Keeps whole numbers whole, as the API server's clients do.
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestEveryStepIsExpected(t *testing.T) {
	seen := map[string]bool{}
	for _, step := range read(t) {
		if _, known := expected[step.Step]; !known || seen[step.Step] {
			t.Errorf("%q is not expected, or is there twice", step.Step)
		}
		seen[step.Step] = true
	}
	for name := range expected {
		if !seen[name] {
			t.Errorf("%q is expected and not in %s", name, steps)
		}
	}
}

// Flux, Helm and kpt wait by it.
func TestKstatus(t *testing.T) {
	for _, step := range read(t) {
		t.Run(step.Step, func(t *testing.T) {
			result, err := status.Compute(&unstructured.Unstructured{Object: step.Resource})
			if err != nil {
				t.Fatal(err)
			}
			if want := expected[step.Step].kstatus; result.Status != want {
				t.Errorf("%s (%s), and %s is expected", result.Status, result.Message, want)
			}
		})
	}
}

func TestArgoCD(t *testing.T) {
	text, err := os.ReadFile(script)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range read(t) {
		t.Run(step.Step, func(t *testing.T) {
			health, err := Check(string(text), step.Resource)
			if err != nil {
				t.Fatal(err)
			}
			if want := expected[step.Step].argo; health.Status != want || health.Message == "" {
				t.Errorf("%s (%s), and %s is expected", health.Status, health.Message, want)
			}
		})
	}
}

// A person reads the reason where the tool shows it.
func TestArgoCDShowsTheReason(t *testing.T) {
	text, err := os.ReadFile(script)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range read(t) {
		conditions, _, err := unstructured.NestedSlice(step.Resource, "status", "conditions")
		if err != nil {
			t.Fatal(err)
		}
		generation, _, _ := unstructured.NestedInt64(step.Resource, "metadata", "generation")
		observed, _, _ := unstructured.NestedInt64(step.Resource, "status", "observedGeneration")
		if generation != observed {
			continue
		}
		health, err := Check(string(text), step.Resource)
		if err != nil {
			t.Fatal(err)
		}
		ready := conditions[0].(map[string]any)
		if ready["type"] != "Ready" || health.Message != ready["message"] {
			t.Errorf("%s: %q is shown, and not %q", step.Step, health.Message, ready["message"])
		}
	}
}

// Without the definition's default for the whole status, a bus that nobody looked at would count as
// there: the default is what TestKstatus relies on.
func TestWithoutAnyStatusABusWouldCountAsCurrent(t *testing.T) {
	resource := read(t)[0].Resource
	delete(resource, "status")
	result, err := status.Compute(&unstructured.Unstructured{Object: resource})
	if err != nil || result.Status != status.CurrentStatus {
		t.Errorf("%v %v", result, err)
	}
}
