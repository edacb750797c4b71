package notify

import (
	"embed"
	"fmt"
	html "html/template"
	"io/fs"
	"path"
	"strings"
	text "text/template"
	"time"

	"github.com/holdfast/holdfast/internal/factor"
	"github.com/holdfast/holdfast/internal/secret"
)

//go:embed templates
var templates embed.FS

// Renderer turns data into words. It is made once, does no I/O, and is safe for concurrent use.
//
// A template says each thing once: its blocks give the subject, the headline, the paragraphs and the text message, and
// two layouts make the plain and the HTML part of the mail of the same paragraphs. So the two parts cannot drift apart.
type Renderer struct {
	packs  map[string]pack // by language tag, lower case
	plain  *text.Template
	markup *html.Template
}

// pack is one language: its words, and a template set per kind.
type pack struct {
	tag    string
	tongue tongue
	kinds  map[Kind]*text.Template
}

// page is one mail before its layout.
type page struct {
	Lang        string
	Subject     string
	Headline    string
	Body        []string
	CodeLabel   string
	Code        string
	After       []string // after the code, or the claim link
	ClaimLabel  string   // what the claim link does
	Claim       string
	NotYouTitle string
	NotYou      []string
	Action      string // what the link does
	Link        string
	Then        []string // what to look after when the most urgent is done
	Contact     string
	Reference   string
	Footer      []string
}

// NewRenderer parses every template and executes each for every language and channel, with and without what is optional;
// a broken template therefore stops the process at its start and never a message.
func NewRenderer() (*Renderer, error) {
	sub, err := fs.Sub(templates, "templates")
	if err != nil {
		return nil, fmt.Errorf("open templates: %w", err)
	}
	return newRenderer(sub)
}

func newRenderer(files fs.FS) (*Renderer, error) {
	r := &Renderer{packs: map[string]pack{}}
	var err error
	if r.plain, err = text.ParseFS(files, "layout.txt"); err != nil {
		return nil, fmt.Errorf("parse layout: %w", err)
	}
	if r.markup, err = html.ParseFS(files, "layout.html"); err != nil {
		return nil, fmt.Errorf("parse layout: %w", err)
	}
	for tag, t := range tongues() {
		p := pack{tag: tag, tongue: t, kinds: map[Kind]*text.Template{}}
		for _, kind := range Kinds() {
			set := text.New(string(kind)).Option("missingkey=error")
			if p.kinds[kind], err = set.ParseFS(files, path.Join(tag, "common.txt"), path.Join(tag, string(kind)+".txt")); err != nil {
				return nil, fmt.Errorf("parse %s in %s: %w", kind, tag, err)
			}
		}
		r.packs[tag] = p
	}
	return r, r.rehearse()
}

// rehearse renders everything once.
func (r *Renderer) rehearse() error {
	for tag := range r.packs {
		for _, kind := range Kinds() {
			for _, channel := range []factor.Method{factor.Email, factor.SMS, factor.Voice} {
				for _, data := range samples(kind) {
					if _, _, _, err := r.Render(kind, channel, tag, data); err != nil {
						return fmt.Errorf("rehearse %s by %s in %s: %w", kind, channel, tag, err)
					}
				}
			}
		}
	}
	return nil
}

// samples are the least and the most that a kind is given.
func samples(kind Kind) []Data {
	at := time.Date(2026, time.March, 1, 9, 0, 0, 0, time.UTC)
	least := Data{TenantName: "Example", At: at}
	if kind.NeedsHold() {
		least.NotBefore = at.Add(72 * time.Hour)
	}
	if kind.CarriesCode() {
		least.Code, least.ValidFor = secret.NewString("00000000"), 10*time.Minute
	}
	if kind == ClaimLink {
		least.Claim, least.Until = secret.NewString("https://example.com/recover#token"), at.Add(24*time.Hour)
	}
	most := least
	most.SupportContact, most.Reference, most.Method = "help.example.com", "HF-0000-0000", factor.TOTP
	if kind.MayLink() {
		most.Link, most.CanReply = secret.NewString("https://example.com/objection#token"), true
	}
	return []Data{least, most}
}

// Render gives the text of a message in the best language that there is for locale: de-AT falls back to de, then to the
// tenant's language, then to English. Subject and html are empty for text messages and calls. The subject is one line.
//
// It refuses a code in a notice and a link in a code message, and a message that lacks what its kind must say. Its errors
// repeat nothing of the data.
func (r *Renderer) Render(kind Kind, channel factor.Method, locale string, data Data) (subject, plain, markup string, err error) {
	if err := data.check(kind, channel); err != nil {
		return "", "", "", err
	}
	p := r.pack(locale, data.TenantLocale)
	b := blocks{set: p.kinds[kind], words: data.words(p.tongue, channel)}
	if channel == factor.Email {
		return r.mail(p.tag, kind, &b)
	}
	plain = b.line("sms")
	return "", plain, "", b.err
}

func (r *Renderer) mail(lang string, kind Kind, b *blocks) (subject, plain, markup string, err error) {
	pg := page{
		Lang: lang, Subject: b.line("subject"), Headline: b.line("headline"), Body: b.paragraphs("body"),
		NotYouTitle: b.line("notyou.title"), NotYou: b.paragraphs("notyou"),
		Link: b.words.Link, Contact: b.line("contact"), Footer: b.paragraphs("footer"),
	}
	if kind.CarriesCode() {
		pg.CodeLabel, pg.Code, pg.After = b.line("code.label"), b.words.Code, b.paragraphs("after")
	}
	if kind == ClaimLink {
		pg.ClaimLabel, pg.Claim, pg.After = b.line("claim.label"), b.words.Claim, b.paragraphs("after")
	}
	if pg.Link != "" {
		pg.Action = b.line("action")
	}
	if b.has("then") {
		pg.Then = b.paragraphs("then")
	}
	if b.words.Reference != "" {
		pg.Reference = b.line("reference")
	}
	if b.err != nil {
		return "", "", "", b.err
	}
	var t, h strings.Builder
	if err := r.plain.Execute(&t, pg); err != nil {
		return "", "", "", fmt.Errorf("lay out the plain part: %w", err)
	}
	if err := r.markup.Execute(&h, pg); err != nil {
		return "", "", "", fmt.Errorf("lay out the HTML part: %w", err)
	}
	return pg.Subject, t.String(), h.String(), nil
}

func (r *Renderer) pack(locale, tenant string) pack {
	for _, tag := range fallbacks(locale, tenant) {
		if p, ok := r.packs[tag]; ok {
			return p
		}
	}
	return r.packs[lastResort]
}

// blocks executes the named blocks of one kind and keeps the first error, so that a page can be put together in one go.
type blocks struct {
	set   *text.Template
	words words
	err   error
}

// has reports whether the kind says the block at all.
func (b *blocks) has(name string) bool { return b.set.Lookup(name) != nil }

// line is a block as one line.
func (b *blocks) line(name string) string { return strings.Join(b.paragraphs(name), " ") }

// paragraphs are a block's paragraphs, which blank lines part. The lines of one paragraph are joined. A block that comes
// out empty is an error, so that no message lacks a part unnoticed.
func (b *blocks) paragraphs(name string) []string {
	if b.err != nil {
		return nil
	}
	var raw strings.Builder
	if err := b.set.ExecuteTemplate(&raw, name, b.words); err != nil {
		b.err = fmt.Errorf("block %s: %w", name, err)
		return nil
	}
	var out []string
	for part := range strings.SplitSeq(raw.String(), "\n\n") {
		if joined := strings.Join(strings.Fields(part), " "); joined != "" {
			out = append(out, joined)
		}
	}
	if len(out) == 0 {
		b.err = fmt.Errorf("block %s is empty", name)
	}
	return out
}
