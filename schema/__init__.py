"""What a section of a stack file is: base class, types, faults, masking. Knows no Pulumi."""
