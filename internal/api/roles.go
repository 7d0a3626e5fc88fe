package api

import (
	"net/http"
	"regexp"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"esper/internal/access"
)

// roles says which role each operation needs. One that is not here cannot be registered.
var roles = map[string]access.Role{
	"list-devices":         access.Viewer,
	"get-device":           access.Viewer,
	"get-device-history":   access.Viewer,
	"get-device-updates":   access.Viewer,
	"get-summary":          access.Viewer,
	"list-features":        access.Viewer,
	"list-device-settings": access.Viewer,
	"list-wanted-settings": access.Viewer,
	"get-history":          access.Viewer,
	"list-releases":        access.Viewer,
	"list-settings":        access.Viewer,
	"list-rollout-history": access.Viewer,
	"get-rollout-history":  access.Viewer,
	"get-adoption":         access.Viewer,
	"list-rollouts":        access.Viewer,
	"why":                  access.Viewer,
	"list-groups":          access.Viewer,
	"follow":               access.Viewer,
	"list-builds":          access.Viewer,
	"build":                access.Viewer,
	"build-log":            access.Viewer,
	"get-release":          access.Publisher,
	"get-settings":         access.Publisher,

	"put-labels":           access.Operator,
	"pause-rollout":        access.Operator,
	"resume-rollout":       access.Operator,
	"abort-rollout":        access.Operator,
	"approve-rollout":      access.Operator,
	"everywhere-rollout":   access.Operator,
	"pin-device":           access.Operator,
	"unpin-device":         access.Operator,
	"hold-device":          access.Operator,
	"release-device":       access.Operator,
	"retry-device":         access.Operator,
	"check-device":         access.Operator,
	"restart-device":       access.Operator,
	"set-feature":          access.Operator,
	"set-wanted-setting":   access.Operator,
	"unset-wanted-setting": access.Operator,
	"change-labels":        access.Operator,
	"remove-device":        access.Operator,
	"get-audit":            access.Operator,

	"list-device-passwords":  access.Viewer,
	"set-device-password":    access.Operator,
	"forget-device-password": access.Operator,
	"revoke-device":          access.Operator,
	"restore-device":         access.Operator,

	"check-all": access.OperatorOrPublisher, // who publishes also announces

	"request-build": access.Publisher,
	"publish":       access.Publisher,

	"publish-settings": access.Publisher,
}

// concealed are the operations of which the audit log keeps nothing that was sent.
var concealed = map[string]bool{"set-device-password": true}

// securitySchemes is how a token is shown.
var securitySchemes = map[string]*huma.SecurityScheme{
	"token": {Type: "http", Scheme: "bearer", BearerFormat: "esper_…", Description: "A token that 'esper token add' made. " +
		"Viewers, operators and publishers may do what needs a viewer; what needs another role, only that one may."},
}

// security is what an operation asks for: a token with its role.
func security(id string) []map[string][]string {
	need := roleOf(id)
	if need == access.OperatorOrPublisher {
		return []map[string][]string{{"token": {string(access.Operator)}}, {"token": {string(access.Publisher)}}}
	}
	return []map[string][]string{{"token": {string(need)}}}
}

// roleOf is the role that an operation needs. Who adds an operation decides it.
func roleOf(id string) access.Role {
	role := roles[id]
	if role == "" {
		panic("the operation " + id + " has no role in internal/api/roles.go")
	}
	return role
}

// checkRole lets only those do an operation who have its role.
func checkRole(described huma.API) func(huma.Context, func(huma.Context)) {
	return func(c huma.Context, next func(huma.Context)) {
		o := c.Operation()
		need := roleOf(o.OperationID)
		if concealed[o.OperationID] {
			access.Conceal(c.Context())
		}
		if access.Allow(c.Context(), need, o.OperationID, target(c)) {
			next(c)
			return
		}
		huma.WriteErr(described, c, http.StatusForbidden, access.TooLow(c.Context(), need))
	}
}

var placeholder = regexp.MustCompile(`\{([a-z]+)\}`)

// target is what an operation is about: the parameters in its path.
func target(c huma.Context) string {
	var of []string
	for _, name := range placeholder.FindAllStringSubmatch(c.Operation().Path, -1) {
		of = append(of, c.Param(name[1]))
	}
	return strings.Join(of, " ")
}
