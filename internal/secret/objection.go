package secret

import "strings"

// ObjectionToken is the secret of a notice's link: hfo_<key id>_<256 bits>. It is derived from the notice's id and stored
// nowhere, so that the sender can make the message whenever it is due and no plain token rests in a queue.
//
// The same notice gives the same token for as long as the primary key stays. The key's id is in the token, so that a link sent
// before a rotation still works after it.
func (k *Keyring) ObjectionToken(noticeID string) String {
	return k.primary.objection(noticeID)
}

// ObjectionTokenFor gives the token of a notice whose stored hash (HashToken with PurposeObjection) is known, under whichever
// key it was made: a notice that is sent, or sent again, after a rotation must carry the link that its row expects. It
// answers ErrUnknownKey where that key is no longer held.
func (k *Keyring) ObjectionTokenFor(noticeID string, stored []byte) (String, error) {
	for _, key := range k.newestFirst() {
		token := key.objection(noticeID)
		if h := HashToken(PurposeObjection, token); Equal(h[:], stored) {
			return token, nil
		}
	}
	return String{}, ErrUnknownKey
}

// VerifyObjectionToken reports whether token is that notice's, under the key that it names, in constant time.
func (k *Keyring) VerifyObjectionToken(token String, noticeID string) bool {
	id, err := parseObjection(token)
	if err != nil {
		return false
	}
	key, err := k.find(id)
	if err != nil {
		return false
	}
	return Equal([]byte(key.objection(noticeID).Reveal()), []byte(token.Reveal()))
}

// CheckObjectionToken reports ErrMalformed for a text that ObjectionToken cannot have made, so that it is refused before any
// look-up by its hash.
func CheckObjectionToken(token String) error {
	_, err := parseObjection(token)
	return err
}

func parseObjection(token String) (keyID string, err error) {
	parts := strings.Split(token.Reveal(), "_")
	if len(parts) != 3 || parts[0] != PrefixObjection || !isName(parts[1]) || !isText(parts[2], base62, tokenLength) {
		return "", ErrMalformed
	}
	return parts[1], nil
}

func (k *rootKey) objection(noticeID string) String {
	return NewString(PrefixObjection + "_" + k.id + "_" + encode62(k.mac(PurposeObjection, noticeID), tokenLength))
}
