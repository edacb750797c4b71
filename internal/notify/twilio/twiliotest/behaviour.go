package twiliotest

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Behaviour answers a valid request in its own way.
type Behaviour func(Exchange)

// Exchange is one request that a Behaviour answers.
type Exchange struct {
	double *Double
	w      http.ResponseWriter
	r      *http.Request
	form   url.Values
}

// Reject answers 400 with one of Twilio's numbers, such as 21211 for a number that does not exist. As Twilio does, the text
// repeats the number that was dialled.
func Reject(code int) Behaviour {
	return func(x Exchange) {
		fail(x.w, http.StatusBadRequest, code, "Rejected: "+x.form.Get("To")+": "+x.form.Get("Body"))
	}
}

// Throttle answers 429 with a Retry-After in seconds and a body of the given size in bytes.
func Throttle(after time.Duration, size int) Behaviour {
	return func(x Exchange) {
		x.w.Header().Set("Retry-After", strconv.Itoa(int(after/time.Second)))
		fail(x.w, http.StatusTooManyRequests, 20429, "Too many requests"+strings.Repeat(".", size))
	}
}

// Status answers a bare status with Twilio's JSON, and code 0 for none.
func Status(status, code int) Behaviour {
	return func(x Exchange) { fail(x.w, status, code, "status "+strconv.Itoa(status)) }
}

// Page answers a status with an HTML page, as a proxy in between would.
func Page(status int) Behaviour {
	return func(x Exchange) {
		x.w.Header().Set("Content-Type", "text/html")
		x.w.WriteHeader(status)
		_, _ = x.w.Write([]byte("<html><body><h1>" + http.StatusText(status) + "</h1></body></html>"))
	}
}

// Slow says nothing until the client has given up. The message is not accepted.
func Slow() Behaviour { return func(x Exchange) { <-x.r.Context().Done() } }

// HangUp ends the connection without a word. The message is not accepted.
func HangUp() Behaviour { return func(Exchange) { panic(http.ErrAbortHandler) } }

// HangUpInReply sends half of a reply and ends the connection. The message is not accepted.
func HangUpInReply() Behaviour {
	return func(x Exchange) { half(x.w, http.StatusInternalServerError, []byte(`{"code":20500,"message":"`)) }
}

// AcceptThenHangUp accepts the message and ends the connection in the middle of saying so.
func AcceptThenHangUp() Behaviour {
	return func(x Exchange) {
		body, _ := json.Marshal(resource(x.double.accept(x.form))) //nolint:errchkjson // strings and nulls.
		half(x.w, http.StatusCreated, body[:len(body)/2])
	}
}

// AcceptAfter accepts the message and answers when then has returned: Twilio's reports may be faster than its answer.
func AcceptAfter(then func(Message)) Behaviour {
	return func(x Exchange) {
		m := x.double.accept(x.form)
		then(m)
		writeMessage(x.w, http.StatusCreated, m)
	}
}

// AcceptSlowly accepts the message and says nothing until the client has given up.
func AcceptSlowly() Behaviour {
	return func(x Exchange) {
		x.double.accept(x.form)
		<-x.r.Context().Done()
	}
}

// AcceptOddly accepts the message and answers 201 with a body that is no message.
func AcceptOddly(body string) Behaviour {
	return func(x Exchange) {
		x.double.accept(x.form)
		x.w.WriteHeader(http.StatusCreated)
		_, _ = x.w.Write([]byte(body))
	}
}

// half promises more than it sends and ends the connection.
func half(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(2*len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// fail answers in the shape of Twilio's errors.
func fail(w http.ResponseWriter, status, code int, text string) {
	body := map[string]any{"message": text, "status": status, "code": nil, "more_info": nil}
	if code != 0 {
		body["code"], body["more_info"] = code, "https://www.twilio.com/docs/errors/"+strconv.Itoa(code)
	}
	write(w, status, body)
}

func writeMessage(w http.ResponseWriter, status int, m Message) { write(w, status, resource(m)) }

// resource is a message in Twilio's shape.
func resource(m Message) map[string]any {
	return map[string]any{
		"account_sid": AccountSID, "api_version": "2010-04-01", "sid": m.SID, "body": m.Body, "to": m.To, "from": orNull(m.From),
		"messaging_service_sid": orNull(m.MessagingServiceSID), "status": "queued", "direction": "outbound-api",
		"num_segments": strconv.Itoa(1 + (len(m.Body)-1)/153), "num_media": "0", "error_code": nil, "error_message": nil,
		"price": nil, "price_unit": "USD", "date_created": nil, "date_sent": nil, "date_updated": nil,
		"uri":              "/2010-04-01/Accounts/" + AccountSID + "/Messages/" + m.SID + ".json",
		"subresource_uris": map[string]string{"media": "/2010-04-01/Accounts/" + AccountSID + "/Messages/" + m.SID + "/Media.json"},
	}
}

func write(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client's going away is its own business
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}
