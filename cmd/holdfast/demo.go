package main

type demoCmd struct{}

// Run is replaced below.
func (demoCmd) Run(*env) error { return nil }
