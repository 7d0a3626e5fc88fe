package main

import (
	"errors"
	"io/fs"
	"net"
	"os/user"
	"syscall"

	"esper/internal/git"
	"esper/internal/store"
	"esper/internal/watch"
)

// advice says what to do about an error that can happen to every command, if there is
// something to say.
func advice(err error) string {
	var address *net.OpError
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), store.IsFull(err):
		return "the disk is full: make room there, then do it again"
	case errors.Is(err, syscall.EROFS):
		return "that disk is mounted read-only, or kept from being written, as systemd does with ProtectSystem"
	case errors.Is(err, fs.ErrPermission) && errors.As(err, &address):
		return "a port below 1024 takes the right CAP_NET_BIND_SERVICE; choose another one, or give it that"
	case errors.Is(err, fs.ErrPermission):
		return "this runs as " + userName() + ", who may not: 'ls -l' shows who may"
	case errors.Is(err, watch.ErrNoBuild):
		return noBuildHint
	case errors.Is(err, git.ErrMissing):
		return "install git: a site's versions come from its commits"
	}
	return serverAdvice(err)
}

// userName is the name of who runs this.
func userName() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "somebody"
}
