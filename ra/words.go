package ra

import "github.com/altamga/altamga/internal/journal"

// words are the texts of the public page in one language. The terms are those
// of the law and of the centre's own publications.
type words struct {
	Code, Name     string
	Title, Lead    string
	Centre         string
	DemoNotice     string
	LanguageLabel  string
	SkipToContent  string
	BySerial       string
	SerialLabel    string
	SerialHint     string
	ByFile         string
	FileLabel      string
	FileHint       string
	Check          string
	CheckAnother   string
	Result         string
	Serial         string
	Type           string
	Issuer         string
	Validity       string
	From, To       string
	Holder         string
	HolderCategory string
	CheckedAt      string
	Zone           string
	History        string
	When, What     string
	Since          string
	PrivacyNote    string
	StatusNote     string

	NotFound, NotFoundText       string
	BadSerial, BadSerialText     string
	BadFile, BadFileText         string
	TooLargeText                 string
	ManyInFileText               string
	BadRequest, BadRequestText   string
	TooMany, TooManyText         string
	Unavailable, UnavailableText string
	PageMissing, PageMissingText string

	// Statuses, Explained, Kinds, Categories and Events are looked up by the
	// words of a finding.
	Statuses   map[string]string
	Explained  map[string]string
	Kinds      map[string]string
	Categories map[Category]string
	Events     map[journal.Kind]string
}

// dictionary holds every language that the page can speak. It is never written
// to.
var dictionary = map[string]*words{
	"az": {
		Code: "az", Name: "Azərbaycanca",
		Title:          "Sertifikatın yoxlanılması",
		Lead:           "Elektron imza və ya autentifikasiya sertifikatının statusunu və hadisələrinin tarixçəsini öyrənin. Qeydiyyat tələb olunmur.",
		Centre:         "Milli Sertifikat Xidmətləri Mərkəzi",
		DemoNotice:     "Nümayiş rejimi: buradakı adlar, açarlar və sertifikatlar həqiqi deyil.",
		LanguageLabel:  "Dil",
		SkipToContent:  "Əsas məzmuna keçmək",
		BySerial:       "Seriya nömrəsi ilə",
		SerialLabel:    "Sertifikatın seriya nömrəsi",
		SerialHint:     "0–9 rəqəmləri və a–f hərfləri; boşluq və iki nöqtə ilə də yazmaq olar.",
		ByFile:         "Sertifikat faylı ilə",
		FileLabel:      "Sertifikat faylı",
		FileHint:       "PEM və ya DER formatı, ən çoxu 64 KB. Fayl saxlanılmır.",
		Check:          "Yoxlamaq",
		CheckAnother:   "Başqa sertifikatı yoxlamaq",
		Result:         "Yoxlamanın nəticəsi",
		Serial:         "Seriya nömrəsi",
		Type:           "Növü",
		Issuer:         "Verən mərkəz",
		Validity:       "Qüvvədə olma müddəti",
		From:           "Başlanğıc",
		To:             "Son",
		Holder:         "İmza sahibi",
		HolderCategory: "Kateqoriya",
		CheckedAt:      "Yoxlama vaxtı",
		Zone:           "Vaxtlar Bakı vaxtı ilədir (UTC+4).",
		History:        "Hadisələrin tarixçəsi",
		When:           "Vaxt",
		What:           "Hadisə",
		Since:          "Statusun başlanğıcı:",
		PrivacyNote:    "İmza sahibinin adı yalnız onun razılığı ilə göstərilir. Hadisələrin səbəbləri açıqlanmır.",
		StatusNote:     "Elektron imzanı yoxlayan proqramlar statusu OCSP xidmətindən və ləğv edilmiş sertifikatların siyahısından alır.",

		NotFound: "Sertifikat tapılmadı", NotFoundText: "Bu seriya nömrəsi və ya fayl reyestrdəki heç bir sertifikata uyğun gəlmir.",
		BadSerial: "Seriya nömrəsi düzgün yazılmayıb", BadSerialText: "Seriya nömrəsi 0–9 rəqəmlərindən və a–f hərflərindən ibarətdir, ən çoxu 40 simvoldur. Nümunə: 1f:a0:36:9c",
		BadFile: "Fayl oxunmadı", BadFileText: "Faylda PEM və ya DER formatında sertifikat tapılmadı.",
		TooLargeText:   "Fayl 64 KB-dan böyükdür.",
		ManyInFileText: "Faylda birdən çox sertifikat və ya başqa məlumat var. Bir faylda yalnız bir sertifikat yükləyin.",
		BadRequest:     "Sorğu qəbul edilmədi", BadRequestText: "Sertifikatı yoxlamaq üçün bu səhifədəki formalardan istifadə edin.",
		TooMany: "Sorğuların sayı həddi aşıb", TooManyText: "Bir qədər gözləyin və yenidən cəhd edin.",
		Unavailable: "Xidmət müvəqqəti olaraq əlçatan deyil", UnavailableText: "Hazırda reyestr cavab vermir. Bir neçə dəqiqədən sonra yenidən cəhd edin.",
		PageMissing: "Səhifə tapılmadı", PageMissingText: "Bu ünvanda səhifə yoxdur. Sertifikatı aşağıda yoxlaya bilərsiniz.",

		Statuses: map[string]string{"valid": "Qüvvədədir", "held": "Qüvvəsi dayandırılıb", "revoked": "Ləğv edilib", "expired": "Müddəti bitib", "early": "Hələ qüvvəyə minməyib", "untrusted": "Etibarlı deyil"},
		Explained: map[string]string{
			"valid":     "Sertifikat yoxlama anında qüvvədədir.",
			"held":      "Sertifikat müvəqqəti olaraq qüvvədə deyil. O, sonradan bərpa edilə bilər.",
			"revoked":   "Sertifikat həmişəlik ləğv edilib və bərpa edilə bilməz.",
			"expired":   "Sertifikatın qüvvədə olma müddəti başa çatıb.",
			"early":     "Sertifikatın qüvvədə olma müddəti hələ başlamayıb.",
			"untrusted": "Sertifikatı vermiş mərkəzin və ya ondan yuxarıdakı mərkəzin sertifikatı ləğv edilib, dayandırılıb və ya müddəti bitib.",
		},
		Kinds:      map[string]string{"signature": "Elektron imza sertifikatı", "authentication": "Autentifikasiya sertifikatı", "other": "Xidməti sertifikat"},
		Categories: map[Category]string{Citizen: "Vətəndaş", Entrepreneur: "Fərdi sahibkar", LegalPerson: "Hüquqi şəxs", Government: "Dövlət qurumu", NonResident: "Qeyri-rezident"},
		Events:     map[journal.Kind]string{journal.Issued: "Verilib", journal.Held: "Qüvvəsi dayandırılıb", journal.Released: "Bərpa edilib", journal.Revoked: "Ləğv edilib", journal.Expired: "Müddəti bitib"},
	},
	"en": {
		Code: "en", Name: "English",
		Title:          "Check a certificate",
		Lead:           "See the status and the event history of an electronic signature or authentication certificate. No registration is needed.",
		Centre:         "National Certificate Services Centre",
		DemoNotice:     "Demonstration: the names, keys and certificates here are not real.",
		LanguageLabel:  "Language",
		SkipToContent:  "Skip to content",
		BySerial:       "By serial number",
		SerialLabel:    "Serial number of the certificate",
		SerialHint:     "Digits 0–9 and letters a–f; spaces and colons are allowed.",
		ByFile:         "By certificate file",
		FileLabel:      "Certificate file",
		FileHint:       "PEM or DER, at most 64 KB. The file is not kept.",
		Check:          "Check",
		CheckAnother:   "Check another certificate",
		Result:         "Result of the check",
		Serial:         "Serial number",
		Type:           "Type",
		Issuer:         "Issuer",
		Validity:       "Validity period",
		From:           "From",
		To:             "To",
		Holder:         "Signature holder",
		HolderCategory: "Category",
		CheckedAt:      "Checked at",
		Zone:           "Times are Baku time (UTC+4).",
		History:        "Event history",
		When:           "Time",
		What:           "Event",
		Since:          "Status since:",
		PrivacyNote:    "The holder's name is shown only with the holder's consent. Reasons for events are not made public.",
		StatusNote:     "Programs that verify electronic signatures take the status from the OCSP service and the certificate revocation list.",

		NotFound: "Certificate not found", NotFoundText: "This serial number or file matches no certificate in the register.",
		BadSerial: "The serial number is not written correctly", BadSerialText: "A serial number has the digits 0–9 and the letters a–f, at most 40 of them. Example: 1f:a0:36:9c",
		BadFile: "The file could not be read", BadFileText: "No certificate in PEM or DER was found in the file.",
		TooLargeText:   "The file is larger than 64 KB.",
		ManyInFileText: "The file holds more than one certificate, or something else beside it. Upload one certificate at a time.",
		BadRequest:     "The request was not accepted", BadRequestText: "Please use the forms on this page to check a certificate.",
		TooMany: "Too many requests", TooManyText: "Please wait a moment and try again.",
		Unavailable: "The service is temporarily unavailable", UnavailableText: "The register does not answer at the moment. Please try again in a few minutes.",
		PageMissing: "Page not found", PageMissingText: "There is no page at this address. You can check a certificate below.",

		Statuses: map[string]string{"valid": "Valid", "held": "Suspended", "revoked": "Revoked", "expired": "Expired", "early": "Not yet valid", "untrusted": "Not to be trusted"},
		Explained: map[string]string{
			"valid":     "The certificate is valid at the time of the check.",
			"held":      "The certificate is not valid for the time being. It may be restored later.",
			"revoked":   "The certificate was revoked for good and cannot be restored.",
			"expired":   "The validity period of the certificate is over.",
			"early":     "The validity period of the certificate has not begun.",
			"untrusted": "The certificate of the centre that issued it, or of one above that, is revoked, suspended or expired.",
		},
		Kinds:      map[string]string{"signature": "Electronic signature certificate", "authentication": "Authentication certificate", "other": "Service certificate"},
		Categories: map[Category]string{Citizen: "Citizen", Entrepreneur: "Sole entrepreneur", LegalPerson: "Legal person", Government: "Government body", NonResident: "Non-resident"},
		Events:     map[journal.Kind]string{journal.Issued: "Issued", journal.Held: "Suspended", journal.Released: "Restored", journal.Revoked: "Revoked", journal.Expired: "Expired"},
	},
	"ru": {
		Code: "ru", Name: "Русский",
		Title:          "Проверка сертификата",
		Lead:           "Узнайте статус и историю событий сертификата электронной подписи или сертификата аутентификации. Регистрация не требуется.",
		Centre:         "Национальный центр сертификационных услуг",
		DemoNotice:     "Демонстрационный режим: имена, ключи и сертификаты здесь не настоящие.",
		LanguageLabel:  "Язык",
		SkipToContent:  "Перейти к содержанию",
		BySerial:       "По серийному номеру",
		SerialLabel:    "Серийный номер сертификата",
		SerialHint:     "Цифры 0–9 и буквы a–f; пробелы и двоеточия допустимы.",
		ByFile:         "По файлу сертификата",
		FileLabel:      "Файл сертификата",
		FileHint:       "Формат PEM или DER, не более 64 КБ. Файл не сохраняется.",
		Check:          "Проверить",
		CheckAnother:   "Проверить другой сертификат",
		Result:         "Результат проверки",
		Serial:         "Серийный номер",
		Type:           "Тип",
		Issuer:         "Издатель",
		Validity:       "Срок действия",
		From:           "Начало",
		To:             "Окончание",
		Holder:         "Владелец подписи",
		HolderCategory: "Категория",
		CheckedAt:      "Время проверки",
		Zone:           "Время указано по Баку (UTC+4).",
		History:        "История событий",
		When:           "Время",
		What:           "Событие",
		Since:          "Начало статуса:",
		PrivacyNote:    "Имя владельца показывается только с его согласия. Причины событий не раскрываются.",
		StatusNote:     "Программы проверки электронной подписи получают статус из службы OCSP и списка отозванных сертификатов.",

		NotFound: "Сертификат не найден", NotFoundText: "Этот серийный номер или файл не соответствует ни одному сертификату в реестре.",
		BadSerial: "Серийный номер указан неверно", BadSerialText: "Серийный номер состоит из цифр 0–9 и букв a–f, не более 40 знаков. Пример: 1f:a0:36:9c",
		BadFile: "Не удалось прочитать файл", BadFileText: "В файле не найден сертификат в формате PEM или DER.",
		TooLargeText:   "Файл больше 64 КБ.",
		ManyInFileText: "В файле больше одного сертификата или есть другие данные. Загружайте по одному сертификату.",
		BadRequest:     "Запрос не принят", BadRequestText: "Для проверки сертификата воспользуйтесь формами на этой странице.",
		TooMany: "Слишком много запросов", TooManyText: "Подождите немного и повторите попытку.",
		Unavailable: "Служба временно недоступна", UnavailableText: "Реестр сейчас не отвечает. Повторите попытку через несколько минут.",
		PageMissing: "Страница не найдена", PageMissingText: "По этому адресу страницы нет. Проверить сертификат можно ниже.",

		Statuses: map[string]string{"valid": "Действителен", "held": "Действие приостановлено", "revoked": "Отозван", "expired": "Срок действия истёк", "early": "Ещё не действует", "untrusted": "Не заслуживает доверия"},
		Explained: map[string]string{
			"valid":     "На момент проверки сертификат действителен.",
			"held":      "Сертификат временно не действует. Его действие может быть восстановлено.",
			"revoked":   "Сертификат отозван окончательно и не может быть восстановлен.",
			"expired":   "Срок действия сертификата закончился.",
			"early":     "Срок действия сертификата ещё не начался.",
			"untrusted": "Сертификат центра, который его выдал, или вышестоящего центра отозван, приостановлен или истёк.",
		},
		Kinds:      map[string]string{"signature": "Сертификат подписи", "authentication": "Сертификат аутентификации", "other": "Служебный сертификат"},
		Categories: map[Category]string{Citizen: "Гражданин", Entrepreneur: "Индивидуальный предприниматель", LegalPerson: "Юридическое лицо", Government: "Государственный орган", NonResident: "Нерезидент"},
		Events:     map[journal.Kind]string{journal.Issued: "Выдан", journal.Held: "Действие приостановлено", journal.Released: "Действие восстановлено", journal.Revoked: "Отозван", journal.Expired: "Срок действия истёк"},
	},
}
