package secret

import "strings"

// A link's secret is derived from the id of the notice that carries it and stored nowhere, so that the sender can make the
// message whenever it is due and no plain token rests in a queue (ADR 0007). It reads prefix_<key id>_<256 bits>: the key's id
// is in it, so that a link sent before a rotation still works after it.

// ClaimLinkToken is the secret of a claim link: hfl_<key id>_<256 bits>. The same notice gives the same token for as long as the
// primary key stays.
func (k *Keyring) ClaimLinkToken(noticeID string) String {
	return k.primary.link(PrefixClaimLink, PurposeClaimLink, noticeID)
}

// ClaimLinkTokenFor gives the token of a notice whose stored hash (HashToken with PurposeClaimLink) is known, under whichever key
// it was made. It answers ErrUnknownKey where that key is no longer held.
func (k *Keyring) ClaimLinkTokenFor(noticeID string, stored []byte) (String, error) {
	return k.linkFor(PrefixClaimLink, PurposeClaimLink, noticeID, stored)
}

// CheckClaimLinkToken reports ErrMalformed for a text that ClaimLinkToken cannot have made, so that it is refused before any
// look-up by its hash.
func CheckClaimLinkToken(token String) error {
	_, err := parseLink(PrefixClaimLink, token)
	return err
}

func (k *Keyring) linkFor(prefix string, purpose Purpose, noticeID string, stored []byte) (String, error) {
	for _, key := range k.newestFirst() {
		token := key.link(prefix, purpose, noticeID)
		if h := HashToken(purpose, token); Equal(h[:], stored) {
			return token, nil
		}
	}
	return String{}, ErrUnknownKey
}

func parseLink(prefix string, token String) (keyID string, err error) {
	parts := strings.Split(token.Reveal(), "_")
	if len(parts) != 3 || parts[0] != prefix || !isName(parts[1]) || !isText(parts[2], base62, tokenLength) {
		return "", ErrMalformed
	}
	return parts[1], nil
}

func (k *rootKey) link(prefix string, purpose Purpose, noticeID string) String {
	return NewString(prefix + "_" + k.id + "_" + encode62(k.mac(purpose, noticeID), tokenLength))
}
