package esp8266

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// backing is the file that mirrors a flash, or none.
type backing struct{ file *os.File }

func (b backing) write(data []byte, addr uint32) error {
	if b.file == nil {
		return nil
	}
	_, err := b.file.WriteAt(data, int64(addr))
	return err
}

// maxFlashSize is the size of the largest chip.
const maxFlashSize = 16 << 20

// OpenFlash makes a flash whose contents live in the file at path: each change is in the file as
// soon as it is done. A file that is missing is made, erased, of FlashSize bytes. One that is not
// of 1, 2, 4, 8 or 16 MB is an error.
func OpenFlash(path string) (*Flash, error) {
	if _, err := os.Stat(path); os.IsNotExist(err) {
		if err := createWhole(path, NewFlash(FlashSize).data); err != nil {
			return nil, fmt.Errorf("flash file: %w", err)
		}
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("flash file: %w", err)
	}
	var f *Flash
	info, err := file.Stat()
	if err == nil {
		if n := info.Size(); n < FlashSize || n > maxFlashSize || n&(n-1) != 0 {
			err = fmt.Errorf("%s holds %d bytes, a flash has 1, 2, 4, 8 or 16 MB", path, n)
		}
	}
	if err == nil {
		f = NewFlash(int(info.Size()))
		_, err = io.ReadFull(file, f.data)
	}
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("flash file: %w", err)
	}
	f.file.file = file
	return f, nil
}

// Close lets go of the file, if there is one.
func (f *Flash) Close() error {
	if f.file.file == nil {
		return nil
	}
	err := f.file.file.Close()
	f.file.file = nil
	return err
}

// createWhole writes a file that is either not there or whole.
func createWhole(path string, data []byte) error {
	temp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	defer temp.Close()
	if err := temp.Chmod(0o644); err != nil {
		return err
	}
	if _, err := temp.Write(data); err != nil {
		return err
	}
	if err := temp.Sync(); err != nil {
		return err
	}
	return os.Rename(temp.Name(), path)
}
