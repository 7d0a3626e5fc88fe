// Package mosquitto makes what Mosquitto needs to know the devices' own passwords: its hashes, and
// its password file.
package mosquitto

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// What is in a hash. The salt's size and the number of iterations are those of mosquitto_passwd.
// They are few, but only guessing what a person chose becomes harder by more: a device's own
// password is 256 random bits.
const (
	iterations    = 101
	maxIterations = 1_000_000 // Mosquitto computes them for each login
	saltSize      = 12
	keySize       = sha512.Size
	// MaxHash is the length of the longest hash in bytes.
	MaxHash = 128
)

// ErrHash is wrapped by errors about what is no hash of a password.
var ErrHash = errors.New("not a hash of a password as Mosquitto keeps it ($7$…)")

// Hash returns a password as Mosquitto keeps it: "$7$", the number of iterations of PBKDF2 with
// HMAC-SHA512, the salt and the key, both in base64.
func Hash(password string) string {
	salt := make([]byte, saltSize)
	rand.Read(salt) // never fails
	return format(iterations, salt, key(password, salt, iterations))
}

func format(iterations int, salt, key []byte) string {
	encode := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("$7$%d$%s$%s", iterations, encode(salt), encode(key))
}

func key(password string, salt []byte, iterations int) []byte {
	made, err := pbkdf2.Key(sha512.New, password, salt, iterations, keySize)
	if err != nil {
		panic(err) // only where the policy of FIPS 140 forbids the salt's length
	}
	return made
}

// CheckHash returns ErrHash if a text is not a hash that Mosquitto 2.0 takes.
func CheckHash(hash string) error {
	_, _, _, err := parse(hash)
	return err
}

// Matches reports whether a hash is that of a password.
func Matches(hash, password string) bool {
	n, salt, want, err := parse(hash)
	return err == nil && subtle.ConstantTimeCompare(key(password, salt, n), want) == 1
}

func parse(hash string) (iterations int, salt, key []byte, err error) {
	parts := strings.Split(hash[:min(len(hash), MaxHash+1)], "$")
	if len(hash) > MaxHash || len(parts) != 5 || parts[0] != "" || parts[1] != "7" {
		return 0, nil, nil, ErrHash
	}
	iterations, err = strconv.Atoi(parts[2])
	if err != nil || iterations < 1 || iterations > maxIterations {
		return 0, nil, nil, fmt.Errorf("%w: not 1 to %d iterations", ErrHash, maxIterations)
	}
	salt, err = base64.StdEncoding.DecodeString(parts[3])
	if err != nil || len(salt) != saltSize {
		return 0, nil, nil, fmt.Errorf("%w: the salt is not %d bytes in base64", ErrHash, saltSize)
	}
	key, err = base64.StdEncoding.DecodeString(parts[4])
	if err != nil || len(key) != keySize {
		return 0, nil, nil, fmt.Errorf("%w: the key is not %d bytes in base64", ErrHash, keySize)
	}
	if format(iterations, salt, key) != hash { // a sign, a leading zero, a line break in base64
		return 0, nil, nil, ErrHash
	}
	return iterations, salt, key, nil
}
