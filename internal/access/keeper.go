package access

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Storage is where tokens are kept. Other processes change them there.
type Storage interface {
	// Tokens returns all, sorted by name.
	Tokens(context.Context) ([]Token, error)
	// UseToken notes when a token was used last. One that is gone is none's business.
	UseToken(ctx context.Context, name string, at time.Time) error
}

// Why nobody was identified. All who are refused for any reason but ErrUnavailable are told
// the same.
var (
	ErrNobody      = errors.New("no token")                             // nothing was shown
	ErrUnknown     = errors.New("the token is not known")               // or removed, or for another name
	ErrExpired     = errors.New("the token has expired")                //
	ErrUnavailable = errors.New("it cannot be seen which tokens exist") // the database is away
)

// How current the keeper is.
const (
	// rereadAfter is how old what it knows may be: when a new token is good, and a
	// removed one no more.
	rereadAfter = time.Second
	// rereadUnknown is the same when a token is not known, which may have been made just now.
	rereadUnknown = 100 * time.Millisecond
	// readTimeout is how long the database may take, and somebody waits for it.
	readTimeout = 5 * time.Second
	// readPatience is how long somebody waits for a database that did not answer before.
	readPatience = 100 * time.Millisecond
	// usedEvery is how precisely it is noted when a token was used.
	usedEvery = time.Minute
)

// Keeper knows the tokens there are. It can be used by several goroutines.
//
// The lock guards what is below it, and is not held while the database is asked: one that hangs
// keeps out who asks, but nobody waits for those before.
type Keeper struct {
	storage Storage
	log     *slog.Logger
	now     func() time.Time
	timeout time.Duration // readTimeout, unless a test has no time

	mu      sync.Mutex
	reading chan struct{} // closed when the database has answered; nil: it is not being asked
	read    time.Time     // when
	err     error         // of that
	any     bool
	tokens  map[Hash]Token
	used    map[string]time.Time // by name: what was noted last
}

// NewKeeper returns a keeper of what is stored.
func NewKeeper(from Storage, log *slog.Logger) *Keeper {
	return &Keeper{storage: from, log: log, now: time.Now, timeout: readTimeout, used: map[string]time.Time{}}
}

// Any says whether there is a token, be it expired or not: whether one must be shown.
func (k *Keeper) Any() (bool, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.refreshLocked(rereadAfter)
	return k.any, k.err
}

// Identify says whose token this is.
//
// It is looked up by its hash. How long that takes tells something of the hash at most, of
// which nobody can choose the first bits without knowing the token.
func (k *Keeper) Identify(token string) (Identity, error) {
	hash, ok := Sum(token)
	if !ok {
		return Identity{}, ErrUnknown
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.refreshLocked(rereadAfter)
	t, known := k.tokens[hash]
	if !known {
		k.refreshLocked(rereadUnknown)
		t, known = k.tokens[hash]
	}
	if k.err != nil {
		return Identity{}, k.err
	}
	switch now := k.now(); {
	case !known:
		return Identity{}, ErrUnknown
	case t.Expired(now):
		return Identity{Name: t.Name}, ErrExpired
	default:
		k.note(t, now)
	}
	return Identity{Name: t.Name, Role: t.Role}, nil
}

// Check is [Keeper.Identify] for who says a name, too, which must be the token's.
func (k *Keeper) Check(name, token string) (Identity, error) {
	who, err := k.Identify(token)
	if err != nil {
		return Identity{}, err
	}
	if subtle.ConstantTimeCompare([]byte(who.Name), []byte(name)) != 1 {
		return Identity{}, ErrUnknown
	}
	return who, nil
}

// refreshLocked reads the tokens if what is known is too old, and remembers failures as long, too.
// While a database does not answer, nobody is let in. It gives up the lock while it waits.
func (k *Keeper) refreshLocked(after time.Duration) {
	if !k.read.IsZero() && k.now().Sub(k.read).Abs() < after {
		return
	}
	if k.reading == nil {
		k.reading = make(chan struct{})
		go k.readTokens()
	}
	reading, patience := k.reading, k.timeout
	if k.err != nil {
		patience = min(patience, readPatience)
	}
	k.mu.Unlock()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-reading:
		k.mu.Lock()
	case <-timer.C: // not even the driver's own timeout has ended it
		k.mu.Lock()
		if k.reading == reading {
			k.failedLocked(context.DeadlineExceeded)
		}
	}
}

// readTokens asks the database once.
func (k *Keeper) readTokens() {
	ctx, cancel := context.WithTimeout(context.Background(), k.timeout)
	defer cancel()
	tokens, err := k.storage.Tokens(ctx)
	k.mu.Lock()
	defer k.mu.Unlock()
	close(k.reading)
	k.reading, k.read = nil, k.now()
	if err != nil {
		k.failedLocked(err)
		return
	}
	if k.err != nil {
		k.log.Info("the tokens can be read again")
	}
	k.err, k.any, k.tokens = nil, len(tokens) > 0, make(map[Hash]Token, len(tokens))
	for _, t := range tokens {
		k.tokens[t.Hash] = t
		if k.used[t.Name].Before(t.Used) {
			k.used[t.Name] = t.Used
		}
	}
}

// failedLocked notes that the tokens could not be read.
func (k *Keeper) failedLocked(err error) {
	if k.err == nil {
		k.log.Error("nobody is let in as long as the tokens cannot be read", "error", err)
	}
	k.err = fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// note notes that a token was used, now and then, and does not wait for it.
func (k *Keeper) note(t Token, now time.Time) {
	if last := k.used[t.Name]; now.Sub(last) < usedEvery {
		return
	}
	k.used[t.Name] = now
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), readTimeout)
		defer cancel()
		if err := k.storage.UseToken(ctx, t.Name, now); err != nil {
			k.log.Debug("it is not noted that a token was used", "token", t.Name, "error", err)
		}
	}()
}
