package esapi

import (
	"io"
	"net/http"
)

type Indices struct {
	PutIndexTemplate func(name string, body io.Reader) (*http.Response, error)
}
