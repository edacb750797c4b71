package throttle

// AssumeSound keeps a store from asking whether its server evicts: the one that moves time for tests cannot tell.
func (r *Redis) AssumeSound() { r.sound.Store(true) }
