package store

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"time"

	"esper/internal/access"
)

// Tokens implements Store.
func (d *database) Tokens(ctx context.Context) ([]access.Token, error) {
	tokens, err := d.tokens(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the tokens: %w", err)
	}
	return tokens, nil
}

func (d *database) tokens(ctx context.Context) ([]access.Token, error) {
	tokens := []access.Token{}
	err := d.read(ctx, func(rows *sql.Rows) error {
		var t access.Token
		var hash string
		var created, expires, used int64
		err := rows.Scan(&t.Name, &t.Role, &hash, &created, &expires, &used)
		if err != nil {
			return err
		}
		if t.Hash, err = access.ParseHash(hash); err != nil {
			return fmt.Errorf("token %s: %w", t.Name, err)
		}
		t.Created, t.Expires, t.Used = fromMicros(created), fromMicros(expires), fromMicros(used)
		tokens = append(tokens, t)
		return nil
	}, `SELECT name, role, hash, created, expires, used FROM tokens ORDER BY name`)
	return tokens, err
}

// AddToken implements Store.
func (d *database) AddToken(ctx context.Context, t access.Token, by string) error {
	err := d.transaction(ctx, func(ctx context.Context, tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, `
			INSERT INTO tokens (name, role, hash, created, expires, used) VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT DO NOTHING`,
			t.Name, string(t.Role), t.Hash.String(), micros(t.Created), micros(t.Expires), micros(t.Used))
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); n == 0 {
			return orError(err, access.ErrExists)
		}
		detail := string(t.Role)
		if !t.Expires.IsZero() {
			detail += " until " + t.Expires.UTC().Format(time.RFC3339)
		}
		return audit(ctx, tx, tokenChange("add-token", t.Name, detail, by))
	})
	if err != nil {
		return fmt.Errorf("add token %s: %w", t.Name, err)
	}
	return nil
}

// RemoveToken implements Store.
func (d *database) RemoveToken(ctx context.Context, name, by string) error {
	err := d.transaction(ctx, func(ctx context.Context, tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, `DELETE FROM tokens WHERE name = $1`, name)
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); n == 0 {
			return orError(err, access.ErrNoToken)
		}
		return audit(ctx, tx, tokenChange("remove-token", name, "", by))
	})
	if err != nil {
		return fmt.Errorf("remove token %s: %w", name, err)
	}
	return nil
}

func tokenChange(action, name, detail, by string) access.Entry {
	return access.Entry{
		At: time.Now(), Who: by, Role: access.Database, Action: action, Target: name, Detail: detail, Status: http.StatusOK,
	}
}

// UseToken implements Store.
func (d *database) UseToken(ctx context.Context, name string, at time.Time) error {
	err := d.transaction(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE tokens SET used = $2 WHERE name = $1 AND used < $2`, name, micros(at))
		return err
	})
	if err != nil {
		return fmt.Errorf("note the use of token %s: %w", name, err)
	}
	return nil
}
