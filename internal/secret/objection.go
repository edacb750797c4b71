package secret

// ObjectionToken is the secret of a notice's link to object: hfo_<key id>_<256 bits>.
//
// The same notice gives the same token for as long as the primary key stays.
func (k *Keyring) ObjectionToken(noticeID string) String {
	return k.primary.link(PrefixObjection, PurposeObjection, noticeID)
}

// ObjectionTokenFor gives the token of a notice whose stored hash (HashToken with PurposeObjection) is known, under whichever
// key it was made: a notice that is sent, or sent again, after a rotation must carry the link that its row expects. It
// answers ErrUnknownKey where that key is no longer held.
func (k *Keyring) ObjectionTokenFor(noticeID string, stored []byte) (String, error) {
	return k.linkFor(PrefixObjection, PurposeObjection, noticeID, stored)
}

// VerifyObjectionToken reports whether token is that notice's, under the key that it names, in constant time.
func (k *Keyring) VerifyObjectionToken(token String, noticeID string) bool {
	id, err := parseLink(PrefixObjection, token)
	if err != nil {
		return false
	}
	key, err := k.find(id)
	if err != nil {
		return false
	}
	return Equal([]byte(key.link(PrefixObjection, PurposeObjection, noticeID).Reveal()), []byte(token.Reveal()))
}

// CheckObjectionToken reports ErrMalformed for a text that ObjectionToken cannot have made, so that it is refused before any
// look-up by its hash.
func CheckObjectionToken(token String) error {
	_, err := parseLink(PrefixObjection, token)
	return err
}
