package store

import (
	"context"
	"database/sql"
	"fmt"

	"esper/internal/access"
)

// DeviceLogins implements Store.
func (d *database) DeviceLogins(ctx context.Context) ([]access.DeviceLogin, error) {
	logins, err := d.deviceLogins(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the devices' own passwords: %w", err)
	}
	return logins, nil
}

func (d *database) deviceLogins(ctx context.Context) ([]access.DeviceLogin, error) {
	logins := []access.DeviceLogin{}
	err := d.read(ctx, func(rows *sql.Rows) error {
		var id string
		var revoked int64
		var sum, mosquitto sql.NullString
		var made, used sql.NullInt64
		if err := rows.Scan(&id, &revoked, &sum, &mosquitto, &made, &used); err != nil {
			return err
		}
		if n := len(logins); n == 0 || logins[n-1].ID != id {
			logins = append(logins, access.DeviceLogin{ID: id, Revoked: fromMicros(revoked)})
		}
		if !sum.Valid { // it has no password
			return nil
		}
		hash, err := access.ParseHash(sum.String)
		if err != nil {
			return fmt.Errorf("password of device %s: %w", id, err)
		}
		l := &logins[len(logins)-1]
		l.Passwords = append(l.Passwords, access.DevicePassword{
			DeviceHash: access.DeviceHash{SHA256: hash, Mosquitto: mosquitto.String},
			Made:       fromMicros(made.Int64), Used: fromMicros(used.Int64),
		})
		return nil
	}, `
		SELECT l.device, l.revoked, p.sha256, p.mosquitto, p.made, p.used
		FROM device_logins l LEFT JOIN device_passwords p ON p.device = l.device
		ORDER BY l.device, p.place`)
	return logins, err
}

// SaveDeviceLogin implements Store.
func (d *database) SaveDeviceLogin(ctx context.Context, l access.DeviceLogin) error {
	err := d.transaction(ctx, func(ctx context.Context, tx *sql.Tx) error {
		for _, from := range []string{"device_passwords", "device_logins"} {
			_, err := tx.ExecContext(ctx, `DELETE FROM `+from+` WHERE device = $1`, l.ID)
			if err != nil {
				return err
			}
		}
		if l.Empty() {
			return nil
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO device_logins (device, revoked) VALUES ($1, $2)`,
			l.ID, micros(l.Revoked))
		if err != nil {
			return err
		}
		for place, p := range l.Passwords {
			_, err := tx.ExecContext(ctx, `
				INSERT INTO device_passwords (device, place, sha256, mosquitto, made, used)
				VALUES ($1, $2, $3, $4, $5, $6)`,
				l.ID, place, p.SHA256.String(), p.Mosquitto, micros(p.Made), micros(p.Used))
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("save how device %s logs in: %w", l.ID, err)
	}
	return nil
}
