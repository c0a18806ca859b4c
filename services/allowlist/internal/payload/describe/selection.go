package describe

import (
	"cmp"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
)

// A Selection says which values of a body are protected. The zero Selection is the whole body.
type Selection struct {
	Part SelectedPart
	// Paths contains the paths of the fields, or the path of the object.
	Paths []string
	// Names contains the names of the parameters of a form.
	Names []string
	// ValueForm is the form of fields, and SkipEmpty says that empty ones stay as they are.
	ValueForm allowlistv1.Fields_ValueForm
	SkipEmpty bool
}

// A SelectedPart is the part of a body that is protected.
type SelectedPart int

// The parts.
const (
	WholeBody SelectedPart = iota
	Fields
	Object
	Form
)

// Selection describes which values of a body are protected.
func (p *Profile) Selection() Selection {
	switch part := p.pb.GetSelection().GetPart().(type) {
	case *allowlistv1.Selection_Fields:
		return Selection{
			Part: Fields, Paths: part.Fields.GetPaths(), SkipEmpty: part.Fields.GetSkipEmpty(),
			ValueForm: cmp.Or(part.Fields.GetValueForm(), allowlistv1.Fields_VALUE_FORM_JSON),
		}
	case *allowlistv1.Selection_Object:
		return Selection{Part: Object, Paths: []string{part.Object.GetPath()}}
	case *allowlistv1.Selection_Form:
		return Selection{Part: Form, Names: part.Form.GetNames()}
	default:
		return Selection{}
	}
}

// Protects reports whether the profile changes bodies, like [Protects].
func (p *Profile) Protects() bool { return Protects(p.pb) }
