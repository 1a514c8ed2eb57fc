// Package crd checks the CustomResourceDefinition and resources with the API server's own code.
//
// In: the definition's YAML, and resources as YAML. Out: what the API server would store (pruned,
// defaulted), or what it would answer. It starts no server and talks to none.
package crd

import (
	"context"
	"fmt"
	"sort"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/install"
	v1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	crdvalidation "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	crvalidation "k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"sigs.k8s.io/yaml"
)

// Definition is a CustomResourceDefinition that the API server accepts, ready to judge resources.
type Definition struct {
	// Spec is what the definition says, with what the API server fills in.
	Spec apiextensions.CustomResourceDefinitionSpec
	// Schema is the schema of the only version, as it was written.
	Schema     *apiextensions.JSONSchemaProps
	group      string
	version    string
	kind       string
	structural *structuralschema.Structural
	validator  crvalidation.SchemaValidator
	rules      *cel.Validator
}

// Load reads a definition and validates it as the API server does when it is created: structural
// schema, defaults, list types, columns, and the compilation and estimated cost of every rule.
func Load(text []byte) (*Definition, error) {
	scheme := runtime.NewScheme()
	install.Install(scheme)
	external := &v1.CustomResourceDefinition{}
	if err := yaml.UnmarshalStrict(text, external); err != nil {
		return nil, err
	}
	scheme.Default(external)
	internal := &apiextensions.CustomResourceDefinition{}
	if err := scheme.Convert(external, internal, nil); err != nil {
		return nil, err
	}
	// What the API server itself fills in at creation.
	internal.Status.StoredVersions = []string{internal.Spec.Versions[0].Name}
	if errs := crdvalidation.ValidateCustomResourceDefinition(context.Background(), internal); len(errs) > 0 {
		return nil, errs.ToAggregate()
	}
	if len(internal.Spec.Versions) != 1 {
		return nil, fmt.Errorf("one version expected, %d found", len(internal.Spec.Versions))
	}
	version := internal.Spec.Versions[0].Name
	schema, err := apiextensions.GetSchemaForVersion(internal, version)
	if err != nil {
		return nil, err
	}
	structural, err := structuralschema.NewStructural(schema.OpenAPIV3Schema)
	if err != nil {
		return nil, err
	}
	if err := defaulting.PruneDefaults(structural); err != nil {
		return nil, err
	}
	validator, _, err := crvalidation.NewSchemaValidator(schema.OpenAPIV3Schema)
	if err != nil {
		return nil, err
	}
	return &Definition{
		Spec:       internal.Spec,
		Schema:     schema.OpenAPIV3Schema,
		group:      internal.Spec.Group,
		version:    version,
		kind:       internal.Spec.Names.Kind,
		structural: structural,
		validator:  validator,
		rules:      cel.NewValidator(structural, true, celconfig.PerCallLimit),
	}, nil
}

// Verdict is the API server's answer to a resource.
type Verdict struct {
	// Unknown lists the paths of fields that the schema does not have: dropped by the API server,
	// and refused by kubectl, which asks for strict validation.
	Unknown []string `json:"unknown"`
	// Answers lists what the API server has against it, sorted.
	Answers []Answer `json:"answers"`
	// Stored is the resource as it would be stored: pruned and with defaults.
	Stored map[string]any `json:"stored"`
}

// Answer is one thing that the API server has against a resource.
type Answer struct {
	// Path is the field's; empty where it is the resource as a whole.
	Path string `json:"path"`
	// Message is the rule's own, or the API server's words.
	Message string `json:"message"`
}

// Judge does with a resource what the API server does when it is created.
func (d *Definition) Judge(text []byte) (Verdict, error) {
	asJSON, err := yaml.YAMLToJSONStrict(text)
	if err != nil {
		return Verdict{}, err
	}
	object := map[string]any{}
	// Keeps whole numbers whole, as the API server's decoder does.
	if err := json.Unmarshal(asJSON, &object); err != nil {
		return Verdict{}, err
	}
	verdict := Verdict{Unknown: []string{}, Answers: []Answer{}, Stored: object}
	options := structuralschema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true}
	verdict.Unknown = append(verdict.Unknown, pruning.PruneWithOptions(object, d.structural, true, options)...)
	sort.Strings(verdict.Unknown)
	defaulting.PruneNonNullableNullsWithoutDefaults(object, d.structural)
	defaulting.Default(object, d.structural)
	for _, err := range d.validate(object) {
		verdict.Answers = append(verdict.Answers, answer(err))
	}
	sort.Slice(verdict.Answers, func(i, j int) bool {
		a, b := verdict.Answers[i], verdict.Answers[j]
		return a.Path < b.Path || a.Path == b.Path && a.Message < b.Message
	})
	return verdict, nil
}

func answer(err *field.Error) Answer {
	answer := Answer{Path: err.Field, Message: err.Detail}
	if answer.Path == "<nil>" {
		answer.Path = ""
	}
	if answer.Message == "" {
		answer.Message = err.Type.String()
	}
	return answer
}

func (d *Definition) validate(object map[string]any) field.ErrorList {
	var errs field.ErrorList
	resource := &unstructured.Unstructured{Object: object}
	if got, want := resource.GetAPIVersion(), d.group+"/"+d.version; got != want {
		errs = append(errs, field.Invalid(field.NewPath("apiVersion"), got, "must be "+want))
	}
	if got := resource.GetKind(); got != d.kind {
		errs = append(errs, field.Invalid(field.NewPath("kind"), got, "must be "+d.kind))
	}
	if resource.GetNamespace() == "" {
		resource = resource.DeepCopy()
		resource.SetNamespace("default")
	}
	errs = append(errs, apivalidation.ValidateObjectMetaAccessor(resource, true, apivalidation.NameIsDNSSubdomain, field.NewPath("metadata"))...)
	errs = append(errs, crvalidation.ValidateCustomResource(nil, object, d.validator)...)
	errs = append(errs, listtype.ValidateListSetsAndMaps(nil, d.structural, object)...)
	// The API server evaluates no rule on an object whose shape is wrong.
	for _, err := range errs {
		switch err.Type {
		case field.ErrorTypeNotSupported, field.ErrorTypeRequired, field.ErrorTypeTooLong, field.ErrorTypeTooMany, field.ErrorTypeTypeInvalid:
			return errs
		}
	}
	broken, _ := d.rules.Validate(context.Background(), nil, d.structural, object, nil, celconfig.RuntimeCELCostBudget)
	return append(errs, broken...)
}
