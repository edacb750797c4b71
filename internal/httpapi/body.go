package httpapi

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/holdfast/holdfast/internal/fault"
)

const (
	mediaJSON   = "application/json"
	mediaNDJSON = "application/x-ndjson"
	mediaForm   = "application/x-www-form-urlencoded"
)

// readJSON reads the whole body, up to the limit. Where the body may be left out, nothing reads as an empty object.
func (h *handler) readJSON(c echo.Context, maybe bool) ([]byte, error) {
	r := c.Request()
	if r.ContentLength > h.BodyLimit {
		return nil, fault.Of(fault.CodeTooLarge)
	}
	body, err := io.ReadAll(http.MaxBytesReader(c.Response(), r.Body, h.BodyLimit))
	if err != nil {
		return nil, bodyFault(err)
	}
	if len(body) == 0 {
		if maybe {
			return []byte("{}"), nil
		}
		return nil, fault.Of(fault.CodeInvalidJSON).Detail("This request needs a body.")
	}
	return body, requireMedia(r, mediaJSON)
}

// readBody reads a body of the media type, up to the limit.
func (h *handler) readBody(c echo.Context, media string) ([]byte, error) {
	r := c.Request()
	if err := requireMedia(r, media); err != nil {
		return nil, err
	}
	if r.ContentLength > h.BodyLimit {
		return nil, fault.Of(fault.CodeTooLarge)
	}
	body, err := io.ReadAll(http.MaxBytesReader(c.Response(), r.Body, h.BodyLimit))
	if err != nil {
		return nil, bodyFault(err)
	}
	return body, nil
}

// bodyFault says what went wrong in reading a body: too much of it, or a caller that went away.
func bodyFault(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return fault.Of(fault.CodeTooLarge)
	}
	return fault.Of(fault.CodeInvalidJSON).Detail("The body could not be read to its end.").Because(err)
}

// requireMedia demands exactly one Content-Type of the media type, in UTF-8, and no encoding.
func requireMedia(r *http.Request, want string) error {
	refused := fault.Of(fault.CodeUnsupportedMedia).Detail("The body must be " + want + " in UTF-8, not compressed.")
	types := r.Header.Values("Content-Type")
	if len(types) != 1 {
		return refused
	}
	media, params, err := mime.ParseMediaType(types[0])
	if err != nil || media != want {
		return refused
	}
	for name, value := range params {
		if name != "charset" || !strings.EqualFold(value, "utf-8") {
			return refused
		}
	}
	for _, encoding := range r.Header.Values("Content-Encoding") {
		if !strings.EqualFold(encoding, "identity") {
			return refused
		}
	}
	return nil
}

// refuseBody refuses a body where the contract has none.
func refuseBody(r *http.Request) error {
	if r.Body == nil || r.ContentLength == 0 {
		return nil
	}
	if n, _ := r.Body.Read(make([]byte, 1)); n == 0 {
		return nil
	}
	return fault.Of(fault.CodeInvalidRequest).At("", "takes no body")
}

// decode fills in from the body, which admission has parsed and checked. What still does not fit, such as a number with a
// fraction of zero or a leap second, is named by its field.
func decode(c echo.Context, in any) error {
	err := json.Unmarshal(callOf(c).body, in)
	if err == nil {
		return nil
	}
	pointer := ""
	var wrongType *json.UnmarshalTypeError
	if errors.As(err, &wrongType) && wrongType.Field != "" {
		pointer = "/" + strings.ReplaceAll(wrongType.Field, ".", "/")
	}
	return fault.Of(fault.CodeInvalidRequest).At(pointer, "does not have the right form")
}
