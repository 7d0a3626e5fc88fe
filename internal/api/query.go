package api

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
)

// checkQuery refuses what Huma takes for something else: a parameter that there is not, one that is
// given twice or without a value, for as good as not given; a number that its type cannot hold, for
// what is left of it.
func checkQuery(described huma.API) func(huma.Context, func(huma.Context)) {
	return func(c huma.Context, next func(huma.Context)) {
		at := c.URL()
		for name, values := range at.Query() {
			if why := wrongQuery(c.Operation(), name, values); why != "" {
				huma.WriteErr(described, c, http.StatusUnprocessableEntity, "the query is not right",
					&huma.ErrorDetail{Message: why, Location: "query." + name, Value: values[0]})
				return
			}
		}
		next(c)
	}
}

// wrongQuery returns what is wrong with a parameter of a query, or empty.
func wrongQuery(o *huma.Operation, name string, values []string) string {
	i := slices.IndexFunc(o.Parameters, func(p *huma.Param) bool {
		return p.In == "query" && p.Name == name
	})
	switch {
	case i < 0:
		return "there is no such parameter here"
	case len(values) > 1:
		return "it is given more than once"
	case values[0] == "":
		return "it is empty; leave it out"
	}
	switch s := o.Parameters[i].Schema; s.Type {
	case huma.TypeBoolean:
		if values[0] != "true" && values[0] != "false" {
			return "it is neither true nor false"
		}
	case huma.TypeInteger:
		n, err := strconv.ParseInt(values[0], 10, 64)
		switch {
		case err != nil:
			return "it is no number, or too large a one"
		case s.Minimum != nil && float64(n) < *s.Minimum:
			return fmt.Sprintf("it is less than %.0f", *s.Minimum)
		case s.Maximum != nil && float64(n) > *s.Maximum:
			return fmt.Sprintf("it is more than %.0f", *s.Maximum)
		}
	}
	return ""
}
