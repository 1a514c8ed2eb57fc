package crd

import (
	"os"
	"regexp"
	"sort"
	"strings"
	"testing"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
)

const definition = "../../crds/svommessaging.yaml"

func load(t *testing.T) *Definition {
	t.Helper()
	text, err := os.ReadFile(definition)
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := Load(text)
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}

func TestTheDefinitionIsAccepted(t *testing.T) {
	load(t)
}

// Were the budget of rules not in force here, an expensive rule would pass unseen.
func TestADefinitionWithAnExpensiveRuleIsRefused(t *testing.T) {
	text, err := os.ReadFile(definition)
	if err != nil {
		t.Fatal(err)
	}
	users := "maxItems: 300"
	if strings.Count(string(text), users) != 1 {
		t.Fatalf("%q is not once in the definition", users)
	}
	_, err = Load([]byte(strings.Replace(string(text), users, "maxItems: 30000", 1)))
	if err == nil || !strings.Contains(err.Error(), "exceeds budget") {
		t.Fatalf("not refused for its cost: %v", err)
	}
}

func TestADefinitionThatIsNotStructuralIsRefused(t *testing.T) {
	text, err := os.ReadFile(definition)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Load([]byte(strings.Replace(string(text), "default: Always", "default: [Always]", 1)))
	if err == nil || !strings.Contains(err.Error(), "default") {
		t.Fatalf("not refused for its default: %v", err)
	}
}

// What of the definition Kubernetes tools rely on, beyond its fields.
func TestToolsFindWhatTheyNeed(t *testing.T) {
	crd := load(t).Spec
	columns := []string{}
	for _, column := range crd.AdditionalPrinterColumns {
		columns = append(columns, column.Name+" "+column.Type+" "+column.JSONPath)
	}
	equal(t, columns, []string{
		`Ready string .status.conditions[?(@.type=="Ready")].status`,
		`Reason string .status.conditions[?(@.type=="Ready")].reason`,
		"Servers integer .status.readyReplicas",
		"Version string .status.version",
		"Leader string .status.metaLeader",
		"Age date .metadata.creationTimestamp",
	})
	selector := ".status.selector"
	equal(t, crd.Subresources, &apiextensions.CustomResourceSubresources{
		Status: &apiextensions.CustomResourceSubresourceStatus{},
		Scale: &apiextensions.CustomResourceSubresourceScale{
			SpecReplicasPath:   ".spec.replicas",
			StatusReplicasPath: ".status.replicas",
			LabelSelectorPath:  &selector,
		},
	})
	equal(t, crd.Names, apiextensions.CustomResourceDefinitionNames{
		Plural: "svommessagings", Singular: "svommessaging", ShortNames: []string{"svm"},
		Kind: "SvomMessaging", ListKind: "SvomMessagingList", Categories: []string{"svom"},
	})
}

// Server-side apply merges a list entry by entry only where the schema says by which key.
func TestListsAreMergedByTheirKeys(t *testing.T) {
	kinds := map[string]string{}
	walk(load(t).Schema, "", func(path string, schema *apiextensions.JSONSchemaProps) {
		if schema.XListType != nil {
			kinds[path] = strings.Join(append([]string{*schema.XListType}, schema.XListMapKeys...), " ")
		}
	})
	equal(t, kinds, map[string]string{
		"spec.domains":                   "map name",
		"spec.domains[].programs":        "set",
		"spec.users":                     "map name",
		"spec.users[].publish":           "set",
		"spec.users[].subscribe":         "set",
		"spec.users[].durables":          "map name",
		"spec.users[].durables[].queues": "set",
		"status.conditions":              "map type",
	})
}

// `kubectl explain` shows the descriptions: none is missing, and none speaks of the source.
func TestEveryFieldIsExplained(t *testing.T) {
	source := regexp.MustCompile("`?(Option|Vec|String|Some|serde|BTreeMap|bool|i32|i64|u64)`?[<:(]|\\[`|::|_[a-z]+_ref\\b")
	wrong := []string{}
	walk(load(t).Schema, "", func(path string, schema *apiextensions.JSONSchemaProps) {
		description := schema.Description
		ours := !strings.HasPrefix(path, "spec.pod.")
		switch {
		case strings.HasSuffix(path, "[]") || strings.HasSuffix(path, "{}"):
		case strings.TrimSpace(description) == "":
			wrong = append(wrong, path+": no description")
		case ours && !strings.HasSuffix(description, "."):
			wrong = append(wrong, path+": not a sentence: "+description)
		case ours && source.MatchString(description):
			wrong = append(wrong, path+": speaks of the source: "+description)
		}
	})
	sort.Strings(wrong)
	equal(t, wrong, []string{})
}

// A rule without a message answers with its expression, which helps nobody.
func TestEveryRuleSaysWhatToWrite(t *testing.T) {
	wrong := []string{}
	walk(load(t).Schema, "", func(path string, schema *apiextensions.JSONSchemaProps) {
		for _, rule := range schema.XValidations {
			if rule.Message == "" {
				wrong = append(wrong, path+": "+rule.Rule)
			}
		}
		if schema.Nullable {
			wrong = append(wrong, path+": takes null, for which a rule would have to be made")
		}
		if schema.XPreserveUnknownFields != nil && *schema.XPreserveUnknownFields {
			wrong = append(wrong, path+": takes unknown fields")
		}
	})
	equal(t, wrong, []string{})
}

// walk visits every schema below one, each with the path of what it describes.
func walk(schema *apiextensions.JSONSchemaProps, path string, visit func(string, *apiextensions.JSONSchemaProps)) {
	if path != "" {
		visit(path, schema)
	}
	for name := range schema.Properties {
		property := schema.Properties[name]
		walk(&property, strings.TrimPrefix(path+"."+name, "."), visit)
	}
	if schema.Items != nil && schema.Items.Schema != nil {
		walk(schema.Items.Schema, path+"[]", visit)
	}
	if schema.AdditionalProperties != nil && schema.AdditionalProperties.Schema != nil {
		walk(schema.AdditionalProperties.Schema, path+"{}", visit)
	}
}
