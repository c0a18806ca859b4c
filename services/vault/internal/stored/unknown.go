package stored

// The methods Unknown return the fields of a message that this program does not know.

// Unknown returns the fields that this program does not know.
func (m *Secret) Unknown() []byte { return m.unknownFields }

// Unknown returns the fields that this program does not know.
func (m *Purpose) Unknown() []byte { return m.unknownFields }

// Unknown returns the fields that this program does not know.
func (m *Holder) Unknown() []byte { return m.unknownFields }

// Unknown returns the fields that this program does not know.
func (m *Replacement) Unknown() []byte { return m.unknownFields }

// Unknown returns the fields that this program does not know.
func (m *Rewrite) Unknown() []byte { return m.unknownFields }

// Unknown returns the fields that this program does not know.
func (m *Span) Unknown() []byte { return m.unknownFields }

// Unknown returns the fields that this program does not know.
func (m *Version) Unknown() []byte { return m.unknownFields }

// Unknown returns the fields that this program does not know.
func (m *Value) Unknown() []byte { return m.unknownFields }

// Unknown returns the fields that this program does not know.
func (m *Facts) Unknown() []byte { return m.unknownFields }

// Unknown returns the fields that this program does not know.
func (m *Restore) Unknown() []byte { return m.unknownFields }
